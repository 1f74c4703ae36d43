/** Feature indexes of several data sets after one another, merged as the original merges them. */
import * as arrow from "apache-arrow";
import { unifiedType } from "../../formats/parquet/columns.ts";
import type { ScdlArchive } from "../../formats/scdl/archive.ts";
import type { FeatureIndex } from "../../formats/scdl/feature-index.ts";
import type { FeatureIndexWriter } from "../../formats/scdl/feature-index-writer.ts";

interface Block {
  /** Null for the rows of a data set that has no such index. */
  readonly index: FeatureIndex | null;
  readonly block: number;
  readonly nRows: number;
  readonly label: string | null;
}

function blocksOf(index: FeatureIndex | null, nObs: number): Block[] {
  if (index === null) return [{ index, block: 0, nRows: nObs, label: null }];
  return index.files.map((_, block) => ({
    index,
    block,
    nRows: (index.cumulative[block + 1] ?? 0) - (index.cumulative[block] ?? 0),
    label: index.labels[block] ?? null,
  }));
}

const NO_COLUMNS = new arrow.Schema([]);

/** Consecutive blocks with equal tables become one; nothing is written when no data set has var. */
export async function joinVar(
  archives: readonly ScdlArchive[],
  writer: FeatureIndexWriter,
  onBlock: () => Promise<void>,
): Promise<void> {
  if (archives.every((archive) => archive.var === null)) return;
  let last: arrow.Table | undefined;
  for (const { index, block, nRows, label } of archives.flatMap(({ var: index, nObs }) =>
    blocksOf(index, nObs),
  )) {
    await onBlock();
    const table = index === null ? new arrow.Table(NO_COLUMNS) : await index.table(block);
    if (last !== undefined && haveEqualValues(last, table)) {
      writer.extendLastBlock(nRows);
      continue;
    }
    writer.beginBlock({ label, nRows, schema: table.schema });
    for (const batch of table.batches) await writer.write(batch);
    await writer.endBlock();
    last = table;
  }
}

/** Consecutive blocks with the same column names become one, in the last one's column order. */
export async function joinObs(
  archives: readonly ScdlArchive[],
  writer: FeatureIndexWriter,
  onBlock: () => Promise<void>,
): Promise<void> {
  if (archives.every((archive) => archive.obs === null)) return;
  const blocks = archives.flatMap(({ obs, nObs }) => blocksOf(obs, nObs));
  for (let begin = 0; begin < blocks.length; ) {
    let end = begin + 1;
    while (end < blocks.length && haveSameColumns(blocks[begin], blocks[end])) end++;
    const group = blocks.slice(begin, end);
    const nRows = group.reduce((sum, block) => sum + block.nRows, 0);
    const label = group[0]?.label ?? null;
    writer.beginBlock({ label, nRows, schema: await unifiedSchema(group) });
    for (const { index, block } of group) {
      await onBlock();
      if (index === null) continue;
      for await (const batch of index.batches(block)) {
        await writer.write(batch);
        await onBlock();
      }
    }
    await writer.endBlock();
    begin = end;
  }
}

function haveSameColumns(a: Block | undefined, b: Block | undefined): boolean {
  const left = new Set(a?.index?.columns(a.block) ?? []);
  const right = b?.index?.columns(b.block) ?? [];
  return left.size === right.length && right.every((name) => left.has(name));
}

async function unifiedSchema(group: readonly Block[]): Promise<arrow.Schema> {
  let schema: arrow.Schema | undefined;
  for (const { index, block } of group) {
    const next = index === null ? NO_COLUMNS : await index.schema(block);
    const before = new Map(schema?.fields.map((field) => [field.name, field.type]));
    schema = new arrow.Schema(
      next.fields.map(({ name, type }) => {
        const earlier = before.get(name);
        const unified = earlier === undefined ? type : unifiedType(earlier, type, String(name));
        return new arrow.Field(name, unified, true);
      }),
    );
  }
  return schema ?? NO_COLUMNS;
}

/**
 * numpy's array_equal of every column: the same names, and values that are equal. A missing number
 * is NaN there and equals nothing; missing text and booleans are None and equal each other.
 */
function haveEqualValues(a: arrow.Table, b: arrow.Table): boolean {
  if (a.numRows !== b.numRows || a.numCols !== b.numCols) return false;
  return a.schema.fields.every(({ name, type }) => {
    const left = a.getChild(name);
    const right = b.getChild(name);
    if (left === null || right === null) return false;
    const isNumber = arrow.DataType.isInt(type) || arrow.DataType.isFloat(type);
    if (isNumber && (left.nullCount > 0 || right.nullCount > 0)) return false;
    for (let row = 0; row < a.numRows; row++) {
      if (!isEqual(left.get(row), right.get(row))) return false;
    }
    return true;
  });
}

function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  // int32 1 and int64 1n are equal to numpy.
  return typeof a === "bigint" || typeof b === "bigint" ? String(a) === String(b) : false;
}
