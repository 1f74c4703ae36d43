/** The measured rows as a Markdown table, one per part. */
import { median, type Row } from "./measure.ts";

/** The program whose figure the others are compared with. */
export const OURS = "scdl";

export interface PartResult {
  readonly part: string;
  /** Makes these rows again. */
  readonly command: string;
  readonly rows: readonly Row[];
}

export function markdown({ command, rows }: PartResult): string {
  const lines = [
    `\`${command}\``,
    "",
    "| work | program | median | best to worst | scdl is | peak memory | note |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ];
  for (const row of rows) {
    const cells = [
      row.work,
      row.program,
      figure(row, median(row.seconds)),
      range(row),
      ratio(row, rows),
      row.peakMiB === null ? "" : `${row.peakMiB.toFixed(0)} MiB`,
      row.note,
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return `${lines.join("\n")}\n`;
}

/** Programs that read the same rows but not the same values: a benchmark of nothing. */
export function disagreements(rows: readonly Row[]): string[] {
  const found: string[] = [];
  for (const row of rows) {
    const other = rows.find((one) => one.work === row.work && one.check !== null);
    if (other === undefined || row.check === null || row.check === other.check) continue;
    found.push(`${row.work}: ${row.program} read ${row.check}, ${other.program} ${other.check}`);
  }
  return found;
}

function figure(row: Row, seconds: number): string {
  if (row.seconds.length === 0) return "not measured";
  if (row.amount !== 1) return `${(row.amount / seconds).toPrecision(3)} ${row.unit}/s`;
  return seconds < 1 ? `${(1_000 * seconds).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
}

function range(row: Row): string {
  if (row.seconds.length < 2) return "";
  return [Math.min(...row.seconds), Math.max(...row.seconds)]
    .map((seconds) => figure(row, seconds).replace(` ${row.unit}/s`, ""))
    .join(" to ");
}

/** How many times as fast this package is on the same work. */
function ratio(row: Row, rows: readonly Row[]): string {
  const ours = rows.find(({ work, program }) => work === row.work && program === OURS);
  if (ours === undefined || ours === row) return "";
  if (ours.seconds.length === 0 || row.seconds.length === 0) return "";
  const times = median(row.seconds) / row.amount / (median(ours.seconds) / ours.amount);
  return `${times.toPrecision(times < 10 ? 2 : 3)} x`;
}
