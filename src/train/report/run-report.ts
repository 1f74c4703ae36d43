import { arch, cpus, platform } from "node:os";
import { stringify } from "yaml";
import { ScdlError, StorageError } from "../../../formats/common/errors.ts";
import type { FitResult } from "../fit-result.ts";
import { packageVersion } from "../runs/package-version.ts";
import { withPlace } from "../training-error.ts";
import type { ReportText } from "./report-page.ts";
import { writeReport } from "./write-report.ts";

interface RunReport {
  readonly directory: string;
  readonly model: string;
  readonly parameters: number;
  readonly executor: string;
  /** Milliseconds from opening the run's files to its end. */
  readonly tookMs: number;
  readonly config: unknown;
  /** What `fit()` gave, or threw. */
  readonly end: { readonly result: FitResult } | { readonly error: unknown };
}

/** What the report of a run says. */
export function runReportText(run: RunReport): ReportText {
  const { directory, model, parameters, executor, tookMs, config, end } = run;
  const checkpoint = "result" in end ? (end.result.checkpoint ?? "none") : "see the folder";
  return {
    title: directory,
    outcome: "result" in end ? OUTCOMES[end.result.reason](end.result.step) : failure(end.error),
    hasFailed: "error" in end,
    tables: [
      [
        "Run",
        [
          ["model", `${model}, ${parameters.toLocaleString("en")} parameters`],
          ["time", `${(tookMs / 1000).toFixed(1)} s`],
          ["newest checkpoint", checkpoint],
        ],
      ],
      ["Seconds", "result" in end ? secondsOf(end.result) : []],
      [
        "Versions",
        [
          ["scdl", packageVersion()],
          ["node", process.version],
          ["executor", executor],
          ["machine", `${platform()} ${arch()}, ${cpus().length} x ${cpus()[0]?.model ?? "?"}`],
        ],
      ],
    ],
    config: configText(config),
  };
}

const OUTCOMES: Readonly<Record<FitResult["reason"], (step: number) => string>> = {
  "max-steps": (step) => `Ended after its ${step} steps.`,
  stopped: (step) => `Stopped after step ${step}; it can be gone on with.`,
  "early-stop": (step) => `Ended after step ${step}: the monitored metric did not improve.`,
};

function failure(error: unknown): string {
  if (!(error instanceof Error)) return `Ended by an error: ${String(error)}`;
  const advice = error instanceof ScdlError ? error.suggestions : [];
  return [`Ended by an error: ${error.message}`, ...advice.map((one) => `try: ${one}`)].join("\n");
}

function secondsOf({ times }: FitResult): readonly (readonly [string, string])[] {
  return Object.entries(times).map(([part, ms]) => [part, (ms / 1000).toFixed(2)]);
}

/** As YAML; what is no data is left out. */
function configText(config: unknown): string {
  const data: unknown = JSON.parse(JSON.stringify(config ?? null));
  return stringify(data);
}

/**
 * Writes the report when a run has ended, however it did. A report that cannot be written after an
 * error leaves that error.
 *
 * @throws what `train` throws; StorageError
 */
export async function withReport(
  run: Omit<RunReport, "end" | "tookMs">,
  train: () => Promise<FitResult>,
): Promise<FitResult & { readonly report: string }> {
  const begin = performance.now();
  const write = (end: RunReport["end"]): string => {
    const tookMs = performance.now() - begin;
    return writeReport(run.directory, runReportText({ ...run, tookMs, end }));
  };
  let result: FitResult;
  try {
    result = await train();
  } catch (error) {
    try {
      write({ error });
    } catch {
      // the run's own error is the one to know
    }
    throw error;
  }
  try {
    return { ...result, report: write({ result }) };
  } catch (error) {
    throw error instanceof StorageError ? withPlace(error, result.checkpoint) : error;
  }
}
