import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { writeAtomically } from "../../../formats/common/atomic-file.ts";
import { fromFsError } from "../../../formats/common/errors.ts";
import { chartsOf } from "./charts.ts";
import { type Curve, readCurves } from "./curves.ts";
import { type PlotLibrary, type ReportText, reportPage } from "./report-page.ts";

/** Name of the report in a run's folder. */
export const REPORT_FILE = "report.html";

/**
 * Writes `report.html` beside the `metrics.jsonl` of a run: its curves, and the newest value of every
 * metric before the tables that are given.
 *
 * @returns its path
 * @throws StorageError
 */
export function writeReport(directory: string, text: ReportText): string {
  const path = join(directory, REPORT_FILE);
  const curves = readCurves(join(directory, "metrics.jsonl"));
  const tables = [["Last values", lastValues(curves)] as const, ...text.tables];
  const page = reportPage({ ...text, tables }, chartsOf(curves), plotLibrary());
  writeAtomically(path, (file) => file.write(Buffer.from(page, "utf8")), { overwrite: true });
  return path;
}

function lastValues(curves: ReadonlyMap<string, Curve>): [string, string][] {
  return [...curves].map(([name, { steps, values }]) => {
    const value = values.at(-1) ?? null;
    const shown = value === null ? "not finite" : String(Number(value.toPrecision(6)));
    return [name, `${shown} (step ${steps.at(-1) ?? 0})`];
  });
}

function plotLibrary(): PlotLibrary {
  const directory = dirname(createRequire(import.meta.url).resolve("uplot/package.json"));
  const read = (name: string): string => {
    const path = join(directory, name);
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      throw fromFsError(error, path);
    }
  };
  return {
    script: read("dist/uPlot.iife.min.js"),
    style: read("dist/uPlot.min.css"),
    license: read("LICENSE"),
  };
}
