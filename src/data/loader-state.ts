import { crc32, crc32Hex } from "../../formats/common/crc32.ts";
import type { NeighborStrategy } from "../dataset/neighbors.ts";
import type { Sampler, SamplerDescription } from "../sampling/sampler.ts";
import { AlignedDataset } from "./gene-alignment.ts";
import { asStateOfRun } from "./longer-run.ts";
import type { RowSource } from "./row-source.ts";
import type { LastBatch } from "./shares.ts";
import { assertFormat, assertSame, countIn, SAME_BATCHES } from "./state-checks.ts";

const FORMAT = "scdl-loader";
const VERSION = 1;

/** What is compared to tell that a state belongs to this data set; paths may change. */
export interface DatasetFingerprint {
  readonly nObs: number;
  readonly nVars: number;
  readonly nnz: number;
  readonly data: string;
  readonly indices: string;
  /** Checksum of pieces of the values, column numbers and row pointers. */
  readonly content: string;
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
    content: source.contentHash ?? "",
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
 * @param order the loader's sampler and the batches of its epoch: a run may be longer than it was.
 * @throws InvalidArgumentError when it is no state of a loader; IncompatibleError "state-version",
 *   "state-dataset", "state-sampler", "state-batches" or "state-neighbors" when it is one of other batches.
 */
export function checkState(
  found: unknown,
  expected: LoaderState,
  order: { readonly sampler: Sampler; readonly nBatches: number },
): LoaderState {
  assertFormat(found, FORMAT, VERSION);
  const state = asStateOfRun(found, order.sampler, { ...expected, nBatches: order.nBatches });
  assertSame("state-dataset", "another data set", state["dataset"], { ...expected.dataset }, [
    "open the data set that the state was made with",
    "a data set that was cast or converted again needs a new run",
  ]);
  const batches = (of: Record<string, unknown>) => ({
    globalBatchSize: of["globalBatchSize"],
    lastBatch: of["lastBatch"],
  });
  assertSame(
    "state-batches",
    "other batches",
    batches(state),
    batches({ ...expected }),
    SAME_BATCHES,
  );
  assertSame("state-sampler", "another sampler", state["sampler"], expected.sampler, [
    "make the sampler with the same arguments and seed",
  ]);
  const neighbors = { ...expected.neighbors };
  assertSame("state-neighbors", "other neighbours", state["neighbors"], neighbors, [
    "set neighbors of the loader, and neighbors of SingleCellDataset.open, as they were",
  ]);
  const epoch = countIn(state, "epoch");
  const batch = countIn(state, "batch");
  return { ...expected, epoch, batch };
}

function checksum(array: Float64Array | Int32Array): string {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return crc32Hex(crc32(bytes));
}
