import { SpillFile } from "../bytes/spill-file.ts";
import { type DType, itemBytes } from "../common/dtype.ts";
import { type CsrBlock, DEFAULT_BLOCK_BYTES, type RowBlockOptions } from "./csr-block.ts";
import { copyRange, EntryBucket, groupRows, type RowGroup, sortByRow } from "./row-groups.ts";
import type { SparseArrays } from "./sparse-arrays.ts";

/** Entries read from the file at a time. */
const READ_ENTRIES = 1 << 20;
/** Columns whose pointers are looked at together. */
const POINTER_COLUMNS = 65_536;
/** Bytes of the entries that are sorted together. */
const GROUP_BYTES = 64 << 20;
/** More groups than this would make their write buffers larger than a group. */
const MAX_GROUPS = 512;
/** Entries of one write buffer. */
const SPILL_ENTRIES = 8192;

/**
 * Streams a csc matrix by rows in bounded memory.
 *
 * First pass: count each row's entries. Second pass: deal the entries into groups of consecutive
 * rows of at most 64 MiB, in memory when there is one group, else in one temporary file; then sort
 * group by group. So the matrix is decoded twice whatever its size, where one pass per group would
 * decode a 10 GB matrix a hundred times; the price is 8 + itemsize bytes of temporary disk a value.
 * Columns come ascending in every row, as scipy's tocsr() gives them.
 */
export async function* cscRowBlocks(
  arrays: SparseArrays,
  options: RowBlockOptions,
): AsyncGenerator<CsrBlock> {
  const rowBegin = Math.max(0, options.begin ?? 0);
  const rowEnd = Math.min(arrays.nMinor, options.end ?? arrays.nMinor);
  if (rowEnd <= rowBegin) return;
  const counts = await countRows(arrays, rowBegin, rowEnd, options.signal);
  let total = 0;
  for (const count of counts) total += count;
  const { dtype } = arrays.data;
  const entryBytes = 8 + (dtype === "float16" ? 4 : itemBytes(dtype));
  const limit = Math.max(Math.ceil(GROUP_BYTES / entryBytes), Math.ceil(total / MAX_GROUPS));
  const groups = groupRows(counts, rowBegin, limit);
  const isSpilled = groups.length > 1;
  using spill = isSpilled ? new SpillFile(options.temporaryDirectory) : null;
  const capacity = isSpilled ? SPILL_ENTRIES : total;
  let offset = 0;
  const buckets: (EntryBucket | null)[] = groups.map(({ entries }) => {
    const bucket = new EntryBucket(
      dtype,
      capacity,
      spill === null ? null : { file: spill, offset },
    );
    offset += EntryBucket.spillBytes(entries, capacity, entryBytes - 8);
    return bucket;
  });
  await deal(arrays, groups, buckets, rowBegin, rowEnd, options.signal);
  for (const [at, group] of groups.entries()) {
    const bucket = buckets[at];
    if (bucket === undefined || bucket === null) continue;
    const groupCounts = counts.subarray(group.rowBegin - rowBegin, group.rowEnd - rowBegin);
    const sorted = sortByRow(group, groupCounts, bucket.take(), dtype);
    // Its memory is free again before the next group needs some.
    buckets[at] = null;
    yield* cut(group, sorted, dtype, options);
  }
}

async function countRows(
  arrays: SparseArrays,
  rowBegin: number,
  rowEnd: number,
  signal: AbortSignal | undefined,
): Promise<Uint32Array> {
  const counts = new Uint32Array(rowEnd - rowBegin);
  for (let from = 0; from < arrays.nnz; from += READ_ENTRIES) {
    signal?.throwIfAborted();
    const rows = await arrays.minorIndices(from, Math.min(arrays.nnz, from + READ_ENTRIES));
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      if (row >= rowBegin && row < rowEnd) {
        counts[row - rowBegin] = (counts[row - rowBegin] as number) + 1;
      }
    }
  }
  return counts;
}

async function deal(
  arrays: SparseArrays,
  groups: readonly RowGroup[],
  buckets: readonly (EntryBucket | null)[],
  rowBegin: number,
  rowEnd: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const groupOf = new Uint16Array(rowEnd - rowBegin);
  for (const [at, group] of groups.entries()) {
    groupOf.fill(at, group.rowBegin - rowBegin, group.rowEnd - rowBegin);
  }
  for (let column = 0; column < arrays.nMajor; column += POINTER_COLUMNS) {
    const stop = Math.min(arrays.nMajor, column + POINTER_COLUMNS);
    const pointers = await arrays.pointers(column, stop);
    const last = pointers.at(-1) as number;
    let c = 0;
    for (let from = pointers[0] as number; from < last; from += READ_ENTRIES) {
      signal?.throwIfAborted();
      const to = Math.min(last, from + READ_ENTRIES);
      const rows = await arrays.minorIndices(from, to);
      const values = await arrays.data.read(from, to);
      for (let i = 0; i < rows.length; i++) {
        while ((pointers[c + 1] as number) <= from + i) c++;
        const row = rows[i] as number;
        if (row < rowBegin || row >= rowEnd) continue;
        const at = groupOf[row - rowBegin] as number;
        const group = groups[at] as RowGroup;
        buckets[at]?.add(row - group.rowBegin, column + c, values[i] as number | bigint);
      }
    }
  }
}

/** Blocks of the wanted size out of one sorted group. */
function* cut(
  group: RowGroup,
  sorted: ReturnType<typeof sortByRow>,
  dtype: DType,
  options: RowBlockOptions,
): Generator<CsrBlock> {
  const { data, indices, indptr } = sorted;
  const limit = Math.max(
    1,
    Math.floor((options.blockBytes ?? DEFAULT_BLOCK_BYTES) / (4 + itemBytes(dtype))),
  );
  const rows = group.rowEnd - group.rowBegin;
  for (let first = 0; first < rows; ) {
    options.signal?.throwIfAborted();
    const from = indptr[first] as number;
    let last = first + 1;
    while (last < rows && (indptr[last + 1] as number) - from <= limit) last++;
    const to = indptr[last] as number;
    const pointers = indptr.slice(first, last + 1);
    for (let i = 0; i < pointers.length; i++) pointers[i] = (pointers[i] as number) - from;
    yield {
      rowBegin: group.rowBegin + first,
      rowEnd: group.rowBegin + last,
      data: copyRange(data, dtype, from, to),
      indices: indices.slice(from, to),
      indptr: pointers,
    };
    first = last;
  }
}
