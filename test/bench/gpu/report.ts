/**
 * The rows of measurements as a page: report.ts RESULTS.jsonl... prints the bars of all files together, the
 * last figure of each, and the rows of steps, as Markdown for docs/performance.md.
 */
import { readFileSync } from "node:fs";
import { type Bar, bars, type Row } from "./bars.ts";

export function page(rows: readonly Row[]): string {
  const about = rows.findLast((row) => row["part"] === "devices") ?? {};
  const isGpu = String(about["device"] ?? "").startsWith("cuda");
  const lines = [
    `Device: ${about["description"] ?? "unknown"} (${about["device"]}), PyTorch ${about["version"]}, Node ${about["node"]}.`,
    ...(isGpu ? [] : ["", "A trial in small sizes: no figure of a GPU."]),
    "",
    ...table(
      ["", "what", "bar", "found", "result"],
      bars(rows).map(({ section, what, bar, found, result }: Bar) => [
        section,
        what,
        bar,
        found,
        result,
      ]),
    ),
    "",
    ...table(
      ["part", "program", "precision", "ms a step", "tokens/s", "utilisation"],
      rows.filter((row) => typeof row["stepMs"] === "number" && "program" in row).map(stepCells),
    ),
    ...problems(rows),
  ];
  return `${lines.join("\n")}\n`;
}

function stepCells(row: Row): string[] {
  const number = (name: string, digits: number, factor = 1) => {
    const value = row[name];
    return typeof value === "number" ? (factor * value).toFixed(digits) : "";
  };
  const utilisation = number("utilisation", 1, 100);
  return [
    ...[`${row["part"]}`, `${row["program"]}`, `${row["precision"]}`],
    ...[number("stepMs", 2), number("tokensPerSecond", 0), utilisation && `${utilisation} %`],
  ];
}

function problems(rows: readonly Row[]): readonly string[] {
  const failed = rows.filter((row) => typeof row["error"] === "string");
  if (failed.length === 0) return [];
  const told = failed.map(
    (row) =>
      `- ${row["part"]} ${row["program"] ?? row["check"] ?? row["family"] ?? ""}: ${row["error"]}`,
  );
  return ["", "What failed:", "", ...new Set(told)];
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line)];
}

export function readRows(path: string): readonly Row[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line.startsWith("{")).map((line): Row => JSON.parse(line));
}

if (process.argv[1]?.endsWith("report.ts") === true) {
  console.log(page(process.argv.slice(2).flatMap((path) => readRows(path))));
}
