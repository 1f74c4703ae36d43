/**
 * Distributions on disk, to be merged with those of other cells: a line of JSON for each gene after
 * one that says what follows. docs/tokens.md describes it.
 */
import { createHash } from "node:crypto";
import readline from "node:readline";
import { FormatError } from "../../formats/common/errors.ts";
import { OutputFile } from "../../formats/common/output-file.ts";
import { textChunks } from "../../formats/table/text-chunks.ts";
import { PendingFile, type PendingFileOptions } from "../proteins/pending-file.ts";
import type { MediansSource } from "./cell-fingerprint.ts";
import { GeneDistributions } from "./gene-distributions.ts";
import type { RepeatOptions } from "./medians-sources.ts";
import { EXACT_VALUES, RANGES_END, type ValueDistribution } from "./value-distribution.ts";

const FORMAT = "scdl-gene-values";
const VERSION = 1;

/** Writes distributions; the file appears complete or not at all. @throws StorageError */
export function writeGeneDistributions(
  path: string,
  distributions: GeneDistributions,
  options: PendingFileOptions = {},
): void {
  const pending = new PendingFile(path, options);
  try {
    const file = OutputFile.create(pending.path);
    try {
      const { cells, size, sources } = distributions;
      const head = { format: FORMAT, version: VERSION, cells, genes: size };
      write(file, sources.length === 0 ? head : { ...head, sources });
      for (const [gene, values] of distributions.entries()) write(file, record(gene, values));
      file.finish();
    } finally {
      file.close();
    }
    pending.commit();
  } catch (error) {
    pending.abort();
    throw error;
  }
}

function write(file: OutputFile, line: object): void {
  file.write(Buffer.from(`${JSON.stringify(line)}\n`));
}

/** Ranges are numbered from the one before, which is often the next one. */
function record(gene: string, distribution: ValueDistribution): object {
  const { values } = distribution;
  if (values !== null) return { gene, values: [...values.slice().sort()] };
  const ranges: number[] = [];
  let before = 0;
  for (const [range, count] of distribution.ranges()) {
    ranges.push(range - before, count);
    before = range;
  }
  return { gene, ranges };
}

/**
 * Adds the distributions of a file to `into`, gzip or zstd too. A file that does not say its data sets
 * counts as one.
 * @throws FormatError naming the line; NotFoundError, StorageError; IncompatibleError "repeated-cells"
 *   for a data set that `into` has
 */
export async function readGeneDistributions(
  path: string,
  into: GeneDistributions = new GeneDistributions(),
  options: RepeatOptions = {},
): Promise<GeneDistributions> {
  const input = textChunks(path);
  const lines = readline.createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  let line = 0;
  let genes = 0;
  const seen = new Set<string>();
  const read = new GeneDistributions();
  const digest = createHash("sha256");
  try {
    for await (const text of lines) {
      line++;
      digest.update(`${text}\n`);
      const place: Place = { path, line };
      const value = objectOf(text, place);
      if (line === 1) {
        genes = headOf(value, place, read);
        continue;
      }
      const gene = value["gene"];
      if (typeof gene !== "string" || seen.has(gene)) {
        throw wrong(place, `expected the name of another gene, found ${JSON.stringify(gene)}`);
      }
      seen.add(gene);
      addTo(read.of(gene), value, place);
    }
  } finally {
    lines.close();
    input.destroy();
  }
  if (line > 0 && seen.size === genes) {
    if (read.sources.length === 0) {
      read.addSources([{ path, cells: read.cells, sha256: digest.digest("hex") }]);
    }
    into.merge(read, { ...options, place: path });
    return into;
  }
  throw new FormatError("truncated", `expected ${genes} genes, found ${seen.size}`, { path });
}

interface Place {
  readonly path: string;
  readonly line: number;
}
type Fields = Readonly<Record<string, unknown>>;

function objectOf(text: string, place: Place): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong(place, "expected JSON, the line is damaged or cut");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw wrong(place, "expected a JSON object");
}

function headOf(head: Fields, place: Place, into: GeneDistributions): number {
  const { format, version, cells, genes } = head;
  if (format !== FORMAT) {
    throw new FormatError(
      "not-gene-values",
      `expected ${FORMAT}, found ${JSON.stringify(format)}`,
      {
        path: place.path,
        suggestions: ["scdl medians DATASET... --partial FILE writes one"],
      },
    );
  }
  if (version !== VERSION) throw wrong(place, `expected version ${VERSION}, found ${version}`);
  if (!(isCount(cells, 0) && isCount(genes, 0)))
    throw wrong(place, "expected counts of cells, genes");
  into.cells += cells;
  // They may be there twice: that was allowed when the file was written.
  into.addSources(sourcesOf(head["sources"], place), { allowRepeats: true });
  return genes;
}

/** None in files of before, which do not say them. */
function sourcesOf(value: unknown, place: Place): MediansSource[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw wrong(place, "expected a list of sources");
  return value.map((source: unknown) => {
    const { path, cells, sha256 }: Fields =
      typeof source === "object" && source !== null ? (source as Fields) : {};
    const isSum = typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256);
    if (typeof path === "string" && isCount(cells, 0) && isSum) return { path, cells, sha256 };
    throw wrong(
      place,
      `expected a source with path, cells, sha256, found ${JSON.stringify(source)}`,
    );
  });
}

function addTo(target: ValueDistribution, { values, ranges }: Fields, place: Place): void {
  if (Array.isArray(values) && values.length > 0 && values.length <= EXACT_VALUES) {
    for (const value of values) {
      if (!(typeof value === "number" && value > 0 && Number.isFinite(value))) {
        throw wrong(place, `expected values above zero, found ${JSON.stringify(value)}`);
      }
      target.add(value);
    }
    return;
  }
  if (!(Array.isArray(ranges) && ranges.length > 0 && ranges.length % 2 === 0)) {
    throw wrong(place, `expected at most ${EXACT_VALUES} values, or ranges and their counts`);
  }
  let range = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const [step, count]: unknown[] = ranges.slice(i, i + 2);
    if (!(isCount(step, i === 0 ? 0 : 1) && isCount(count, 1) && range + step < RANGES_END)) {
      throw wrong(place, `expected ascending ranges with counts, found ${step} and ${count}`);
    }
    range += step;
    target.addRange(range, count);
  }
}

function isCount(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) < 2 ** 32;
}

function wrong({ path, line }: Place, message: string): FormatError {
  return new FormatError("bad-gene-values", `line ${line}: ${message}`, { path });
}
