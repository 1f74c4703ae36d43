/** A report about shards as text for a terminal. */
import type { ShardsReport } from "../src/webdataset/inspect-shards.ts";
import { oneLine } from "./error-text.ts";
import { formatBytes, formatCount } from "./progress.ts";

const MAX_SHARDS_SHOWN = 20;
const MAX_PROBLEMS_SHOWN = 20;

export function shardsText(report: ShardsReport): string {
  const hasError = report.problems.some(({ severity }) => severity === "error");
  // Where nothing could be read there is nothing to describe.
  const lines = report.samples === 0 && hasError ? [] : descriptionOf(report);
  if (lines.length > 0 && report.problems.length > 0) lines.push("");
  return [...lines, ...problemsOf(report)].join("\n");
}

function descriptionOf({ shards, samples, fields }: ShardsReport): string[] {
  const bytes = shards.reduce((sum, { dataBytes }) => sum + dataBytes, 0);
  const indexed = shards.filter((shard) => shard.indexed).length;
  const lines = [
    `${formatCount(samples)} samples in ${shards.length} shards, ${formatBytes(bytes)}, ${indexed} with an index file`,
    "",
    "fields",
  ];
  const width = Math.max(0, ...fields.map(({ field }) => field.length));
  for (const { field, minBytes, maxBytes, example } of fields) {
    const size =
      minBytes === maxBytes
        ? formatBytes(minBytes)
        : `${formatBytes(minBytes)} to ${formatBytes(maxBytes)}`;
    lines.push(`  ${oneLine(field).padEnd(width)}  ${size}, e.g. ${oneLine(example)}`);
  }
  lines.push("", "shards");
  for (const shard of shards.slice(0, MAX_SHARDS_SHOWN)) {
    const kind = shard.compressed ? ", compressed" : "";
    lines.push(
      `  ${oneLine(shard.url)}: ${formatCount(shard.samples)} samples, ${formatBytes(shard.dataBytes)}${kind}`,
    );
  }
  if (shards.length > MAX_SHARDS_SHOWN) {
    lines.push(`  and ${shards.length - MAX_SHARDS_SHOWN} more`);
  }
  return lines;
}

function problemsOf({ problems }: ShardsReport): string[] {
  const lines: string[] = [];
  for (const { severity, url, message, suggestions } of problems.slice(0, MAX_PROBLEMS_SHOWN)) {
    const place = message.includes(url) ? "" : `${url}: `;
    lines.push(`${severity}: ${oneLine(place + message)}`);
    for (const suggestion of suggestions) lines.push(`  try: ${suggestion}`);
  }
  if (problems.length > MAX_PROBLEMS_SHOWN) {
    lines.push(`and ${problems.length - MAX_PROBLEMS_SHOWN} more problems`);
  }
  return lines;
}
