import { crc32, crc32Hex } from "../../formats/common/crc32.ts";
import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";
import type { NeighborStrategy } from "../dataset/neighbors.ts";
import type { SamplerDescription } from "../sampling/sampler.ts";
import { AlignedDataset } from "./gene-alignment.ts";
import type { RowSource } from "./row-source.ts";
import type { LastBatch } from "./shares.ts";

const FORMAT = "scdl-loader";
const VERSION = 1;

/** What is compared to tell that a state belongs to this data set; paths may change. */
export interface DatasetFingerprint {
  readonly nObs: number;
  readonly nVars: number;
  readonly nnz: number;
  readonly data: string;
  readonly indices: string;
  /** Rows and variables of every var block, and the gene list rows are mapped onto. */
  readonly blocks: string;
}

/**
 * Where a loader stands, as JSON: `batch` is the next batch of `epoch`. Nothing in it depends on the
 * number of ranks or workers, so one rank's state serves all.
 */
export interface LoaderState {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  readonly sampler: SamplerDescription;
  readonly dataset: DatasetFingerprint;
  readonly globalBatchSize: number;
  readonly lastBatch: LastBatch;
  /** How neighbours are drawn; absent from the state of a loader without. */
  readonly neighbors?: { readonly strategy: NeighborStrategy; readonly seed: number };
  readonly epoch: number;
  readonly batch: number;
}

export function fingerprint(source: RowSource): DatasetFingerprint {
  const { nObs, nVars, nnz, dtypes, varBlocks } = source;
  const sizes = varBlocks.flatMap(({ rowEnd, nVars: columns }) => [rowEnd, columns]);
  const parts = [checksum(Float64Array.from(sizes))];
  if (source instanceof AlignedDataset) parts.push(...source.maps.columns.map(checksum));
  return {
    nObs,
    nVars,
    nnz,
    data: dtypes.data,
    indices: dtypes.indices,
    blocks: parts.join(" "),
  };
}

export function makeState(state: Omit<LoaderState, "format" | "version">): LoaderState {
  return { format: FORMAT, version: VERSION, ...state };
}

/**
 * Checks a state that was read back, perhaps from a file, against the loader that shall go on.
 *
 * @param expected what the loader's own state says.
 * @throws InvalidArgumentError when it is no state of a loader; IncompatibleError "state-version",
 *   "state-dataset", "state-sampler", "state-batches" or "state-neighbors" when it is one of other batches.
 */
export function checkState(state: unknown, expected: LoaderState): LoaderState {
  if (!isRecord(state) || state["format"] !== FORMAT) {
    throw new InvalidArgumentError(
      "state",
      state,
      `the state is not one of a loader: expected format ${FORMAT}`,
      {
        suggestions: ["pass what loader.state() returned, read back with JSON.parse"],
      },
    );
  }
  if (state["version"] !== VERSION) {
    throw new IncompatibleError(
      "state-version",
      `the state has version ${String(state["version"])}, this package reads version ${VERSION}`,
      { suggestions: ["go on with the version of scdl that wrote the state"] },
    );
  }
  assertSame("state-dataset", "another data set", state["dataset"], { ...expected.dataset }, [
    "open the data set that the state was made with",
    "a data set that was cast or converted again needs a new run",
  ]);
  assertSame("state-sampler", "another sampler", state["sampler"], expected.sampler, [
    "make the sampler with the same arguments and seed",
  ]);
  const batches = (of: Record<string, unknown>) => ({
    globalBatchSize: of["globalBatchSize"],
    lastBatch: of["lastBatch"],
  });
  assertSame("state-batches", "other batches", batches(state), batches({ ...expected }), [
    "keep the global batch size when the number of ranks changes: set globalBatchSize, not batchSize",
  ]);
  const neighbors = { ...expected.neighbors };
  assertSame("state-neighbors", "other neighbours", state["neighbors"], neighbors, [
    "set neighbors of the loader, and neighbors of SingleCellDataset.open, as they were",
  ]);
  const epoch = count(state, "epoch");
  const batch = count(state, "batch");
  return { ...expected, epoch, batch };
}

function assertSame(
  code: string,
  what: string,
  found: unknown,
  expected: Readonly<Record<string, unknown>>,
  suggestions: readonly string[],
): void {
  const record = isRecord(found) ? found : {};
  const names = [...new Set([...Object.keys(expected), ...Object.keys(record)])];
  const other = names.filter((name) => record[name] !== expected[name]);
  if (other.length === 0) return;
  const differences = other.map(
    (name) =>
      `${name} ${JSON.stringify(record[name])} instead of ${JSON.stringify(expected[name])}`,
  );
  throw new IncompatibleError(code, `the state was made with ${what}: ${differences.join(", ")}`, {
    suggestions,
  });
}

function count(state: Record<string, unknown>, name: string): number {
  const value = state[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError(
    `state.${name}`,
    value,
    `${name} of the state is ${JSON.stringify(value)}, expected an integer of at least 0`,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checksum(array: Float64Array | Int32Array): string {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return crc32Hex(crc32(bytes));
}
