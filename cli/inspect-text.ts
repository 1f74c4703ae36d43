/** An inspection as text for a terminal; no colours, at most 100 columns where names allow. */
import type {
  ColumnSummary,
  Distribution,
  InspectReport,
  RowSummary,
} from "../src/inspect/report.ts";
import { oneLine } from "./error-text.ts";
import { formatBytes, formatCount } from "./progress.ts";

const BAR_COLUMNS = 40;
const MAX_COLUMNS_SHOWN = 40;
const MAX_BLOCKS_SHOWN = 10;
const EXAMPLES_COLUMNS = 50;
const SEVERITIES = ["error", "warning", "note"];

const FORMAT_NAMES: Readonly<Record<InspectReport["format"], string>> = {
  scdl: "SCDL data set",
  anndata: "AnnData file",
  "10x-v2": "10x Genomics file, version 2",
  "10x-v3": "10x Genomics file, version 3",
};

export function inspectionText(report: InspectReport): string {
  const sections = [
    overview(report),
    ...columnSection("obs", report.nObs, report.obsColumns),
    ...columnSection("var", report.nVars, report.varColumns),
    blockSection(report),
    distributionSection(report),
    headSection(report.head),
    verdict(report),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

function overview(report: InspectReport): string[] {
  const { dtypes } = report;
  const schema = report.schemaVersion === null ? "" : ` (schema ${report.schemaVersion})`;
  const lines = [
    `${oneLine(report.path)}: ${FORMAT_NAMES[report.format]}${schema}`,
    row("shape", `${exact(report.nObs)} cells x ${exact(report.nVars)} genes`),
  ];
  if (report.nnz !== null) lines.push(row("stored", `${exact(report.nnz)} values`));
  if (report.sparsity !== null) {
    const about = report.nnz === null ? "about " : "";
    lines.push(row("sparsity", `${about}${(100 * report.sparsity).toFixed(2)} %`));
  }
  if (report.format !== "scdl" && report.matrices.length === 0) {
    lines.push(row("matrices", "none: no X, no raw, no layers"));
  } else if (report.matrices.length === 0) {
    const types = [`data ${dtypes.data}`, `col_ptr ${dtypes.colPtr}`, `row_ptr ${dtypes.rowPtr}`];
    lines.push(row("dtypes", types.join(", ")));
  }
  for (const [at, { name, encoding, dtype, shape, nnz }] of report.matrices.entries()) {
    const values = nnz === null ? "" : `, ${exact(nnz)} values`;
    const text = `${oneLine(name)}: ${encoding} ${dtype}, ${exact(shape[0])} x ${exact(shape[1])}${values}`;
    lines.push(row(at === 0 ? "matrices" : "", text));
  }
  const perValue =
    report.bytesPerValue === null ? "" : `, ${report.bytesPerValue.toFixed(2)} bytes per value`;
  lines.push(row("on disk", `${formatBytes(report.bytesOnDisk)}${perValue}`));
  if (report.version !== null) lines.push(row("written by", `scdl ${oneLine(report.version)}`));
  for (const group of ["obsm", "varm", "obsp", "varp"] as const) {
    if (report[group].length > 0) lines.push(row(group, report[group].map(oneLine).join(", ")));
  }
  const { neighbors } = report;
  if (neighbors !== null) {
    const each = `${exact(neighbors.minPerCell)} to ${exact(neighbors.maxPerCell)} per cell`;
    const without = `${exact(neighbors.cellsWithout)} cells without`;
    lines.push(row("neighbours", `${exact(neighbors.connections)} (${each}, ${without})`));
  }
  return lines;
}

function columnSection(
  name: string,
  rows: number,
  columns: readonly ColumnSummary[],
): readonly string[][] {
  if (columns.length === 0) return [[`${name}: no columns`]];
  const shown = columns.slice(0, MAX_COLUMNS_SHOWN);
  const nameWidth = Math.min(28, Math.max(...shown.map((column) => column.name.length)));
  const typeWidth = Math.min(24, Math.max(...shown.map((column) => column.type.length)));
  const lines = shown.map(({ name: column, type, examples, note }) => {
    const cells = note ?? shorten(examples.map(example).join(", "), EXAMPLES_COLUMNS);
    return `  ${oneLine(column).padEnd(nameWidth)}  ${type.padEnd(typeWidth)}  ${oneLine(cells)}`.trimEnd();
  });
  const rest = columns.length - shown.length;
  if (rest > 0) lines.push(`  and ${rest} more (--json lists all)`);
  const plural = columns.length === 1 ? "column" : "columns";
  return [[`${name}: ${exact(rows)} rows, ${columns.length} ${plural}`, ...lines]];
}

function blockSection(report: InspectReport): string[] {
  if (report.varBlocks.length < 2) return [];
  const shown = report.varBlocks.slice(0, MAX_BLOCKS_SHOWN);
  const lines = shown.map(({ rowBegin, rowEnd, nVars, label }) => {
    const name = label === null ? "" : `  ${oneLine(label)}`;
    return `  rows ${exact(rowBegin)} to ${exact(rowEnd)}: ${exact(nVars)} genes${name}`;
  });
  const rest = report.varBlocks.length - shown.length;
  if (rest > 0) lines.push(`  and ${rest} more (--json lists all)`);
  return [`var blocks: ${report.varBlocks.length}`, ...lines];
}

function distributionSection(report: InspectReport): string[] {
  const { distributions } = report;
  if (distributions === null) {
    return report.distributionsMissing === null
      ? []
      : [`no distributions: ${report.distributionsMissing}`];
  }
  const { sampledRows, totalRows, nonFiniteCells, counts, genes } = distributions;
  const without =
    nonFiniteCells === 0 ? [] : [`  without ${exact(nonFiniteCells)} that hold NaN or infinity`];
  const lines = [
    ...histogram("counts per cell", counts),
    ...without,
    "",
    ...histogram("genes per cell", genes),
  ];
  if (sampledRows < totalRows) {
    lines.push(
      "",
      `from ${exact(sampledRows)} of ${exact(totalRows)} cells, in evenly spaced runs`,
    );
  }
  return lines;
}

function histogram(title: string, distribution: Distribution): string[] {
  const { minimum, lowerQuartile, median, upperQuartile, maximum, edges, bins } = distribution;
  const summary = `median ${short(median)}, middle half ${short(lowerQuartile)} to ${short(upperQuartile)}, all ${short(minimum)} to ${short(maximum)}`;
  const labels = bins.map((_, bin) => short(edges[bin] ?? 0));
  const width = Math.max(...labels.map((label) => label.length));
  const most = Math.max(...bins, 1);
  const lines = bins.map((cells, bin) => {
    const label = (labels[bin] ?? "").padStart(width);
    return `  ${label}  ${bar(cells / most)} ${exact(cells)}`;
  });
  return [`${title}: ${summary}`, ...lines];
}

/** Blocks of an eighth of a column. */
function bar(share: number): string {
  const eighths = Math.round(share * BAR_COLUMNS * 8);
  const parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
  const text = "█".repeat(Math.floor(eighths / 8)) + (parts[eighths % 8] ?? "");
  return text === "" && share > 0 ? "▏" : text;
}

function headSection(rows: readonly RowSummary[]): string[] {
  if (rows.length === 0) return [];
  return [
    `first ${rows.length} rows (column:value)`,
    ...rows.map(({ row: number, id, nnz, values }) => {
      const cells = values.map(({ column, value }) => `${column}:${short(value)}`).join(" ");
      const more = nnz > values.length ? ` ... (${exact(nnz)} values)` : "";
      return `  ${number}  ${id === null ? "" : `${oneLine(id)}  `}${cells}${more}`;
    }),
  ];
}

function verdict(report: InspectReport): string[] {
  if (!report.verified) {
    return report.warnings.map((warning) => `warning: ${oneLine(warning)}`);
  }
  const errors = report.problems.filter(({ severity }) => severity === "error").length;
  return [
    errors === 0
      ? "verified: everything was read, nothing is damaged"
      : `verified: ${errors} damaged`,
    ...report.problems
      .toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity))
      .map(({ severity, file, message }) => `  ${severity}: ${oneLine(file)}: ${oneLine(message)}`),
  ];
}

/** Six digits show what a column holds; integers keep all of theirs. */
function example(value: string | number | boolean): string {
  const isFraction = typeof value === "number" && !Number.isInteger(value);
  return isFraction ? String(Number(value.toPrecision(6))) : String(value);
}

function row(label: string, text: string): string {
  return `  ${label.padEnd(10)}  ${text}`;
}

function exact(count: number): string {
  return count.toLocaleString("en-US");
}

/** At most four digits, as integers stay integers. */
function short(value: number): string {
  if (Math.abs(value) >= 10_000) return formatCount(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  return String(Number(value.toPrecision(4)));
}

function shorten(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, columns - 3)}...`;
}
