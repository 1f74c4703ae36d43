/**
 * The footer of a parquet file: how many rows and columns, and where each row group's bytes lie.
 *
 * Everything in it is checked against the file's size before use. From a checked footer a small
 * complete parquet file with one row group and the wanted columns can be put together
 * ({@link miniatureFooter}), which is how reads stay bounded, and row groups written one at a time
 * can be joined ({@link joinedFooter}).
 */
import { FormatError, UnsupportedFeatureError } from "../common/errors.ts";
import {
  decodeThrift,
  encodeThrift,
  type ThriftField,
  type ThriftList,
  type ThriftStruct,
  ThriftType,
  type ThriftValue,
} from "./thrift.ts";

export const PARQUET_MAGIC = "PAR1";
/** Footer length and magic. */
export const TAIL_BYTES = 8;
/** Magic at the start and the tail. */
export const SMALLEST_FILE = 12;

/** One column of one row group: bytes [offset, offset + byteLength) of the file. */
export interface ColumnChunk {
  readonly offset: number;
  readonly byteLength: number;
  /** Bytes after decompression, as the footer says. */
  readonly uncompressedBytes: number;
}

export interface RowGroup {
  readonly rowBegin: number;
  readonly rowCount: number;
  /** In the order of {@link Footer.leaves}. */
  readonly chunks: readonly ColumnChunk[];
}

export interface Footer {
  readonly rowCount: number;
  /** Top-level columns in file order. */
  readonly columns: readonly string[];
  /** For every physical column, the index of its top-level column. */
  readonly leaves: readonly number[];
  readonly rowGroups: readonly RowGroup[];
  readonly tree: ThriftStruct;
}

/** Footer length from the last eight bytes of a file of `fileBytes` bytes. */
export function footerLength(tail: Uint8Array, fileBytes: number, path: string): number {
  const magic = Buffer.from(tail.subarray(4, 8)).toString("latin1");
  if (magic === "PARE") {
    throw new UnsupportedFeatureError("parquet encryption", `${path}: encrypted parquet footer`);
  }
  if (magic !== PARQUET_MAGIC) {
    throw new FormatError(
      "bad-magic",
      `expected "PAR1" at the end, found ${JSON.stringify(magic)}`,
      {
        path,
        offset: fileBytes - 4,
      },
    );
  }
  const length = new DataView(tail.buffer, tail.byteOffset, 4).getUint32(0, true);
  if (length > fileBytes - SMALLEST_FILE) {
    throw new FormatError(
      "truncated",
      `expected a footer of ${length} bytes, found a file of ${fileBytes}`,
      { path, offset: fileBytes - TAIL_BYTES },
    );
  }
  return length;
}

/** Parses and checks a footer that ends `TAIL_BYTES` before the end of a file of `fileBytes`. */
export function parseFooter(bytes: Uint8Array, fileBytes: number, path: string): Footer {
  const fail = (message: string): never => {
    throw new FormatError("bad-footer", `parquet footer: ${message}`, { path });
  };
  const tree = decodeThrift(bytes, path);
  const rowCount = count(tree.get(3), "number of rows", fail);
  const { columns, leaves } = parseSchema(items(tree.get(2), "schema", fail), fail);
  const dataEnd = fileBytes - TAIL_BYTES - bytes.byteLength;
  let rowBegin = 0;
  const rowGroups = items(tree.get(4), "row groups", fail).map((value): RowGroup => {
    const group = struct(value, "row group", fail);
    const rows = count(group.get(3), "rows of a row group", fail);
    const chunks = items(group.get(1), "columns of a row group", fail).map((chunk) =>
      parseChunk(struct(chunk, "column chunk", fail), dataEnd, rows, fail),
    );
    if (chunks.length !== leaves.length) {
      fail(`a row group has ${chunks.length} columns, the schema ${leaves.length}`);
    }
    rowBegin += rows;
    return { rowBegin: rowBegin - rows, rowCount: rows, chunks };
  });
  if (rowBegin !== rowCount) {
    fail(`row groups hold ${rowBegin} rows, the footer says ${rowCount}`);
  }
  return { rowCount, columns, leaves, rowGroups, tree };
}

type Fail = (message: string) => never;

function parseSchema(elements: readonly ThriftValue[], fail: Fail) {
  const columns: string[] = [];
  const leaves: number[] = [];
  let at = 0;
  const children = (element: ThriftStruct) =>
    element.has(5) ? count(element.get(5), "number of children", fail) : 0;
  const visit = (depth: number): void => {
    if (depth > 32) fail("schema is nested deeper than 32");
    const element = struct(elements[at++], "schema element", fail);
    if (depth === 1) {
      const name = element.get(4)?.value;
      columns.push(name instanceof Uint8Array ? Buffer.from(name).toString("utf8") : "");
    }
    const childCount = children(element);
    if (childCount > elements.length - at) fail("schema has fewer elements than it says");
    if (childCount === 0 && depth > 0) leaves.push(columns.length - 1);
    for (let i = 0; i < childCount; i++) visit(depth + 1);
  };
  visit(0);
  if (at !== elements.length) fail("schema has more elements than its root says");
  return { columns, leaves };
}

function parseChunk(chunk: ThriftStruct, dataEnd: number, rows: number, fail: Fail): ColumnChunk {
  if (chunk.get(1) !== undefined) fail("a column lies in another file");
  const meta = struct(chunk.get(3)?.value, "column meta data", fail);
  const dataPage = count(meta.get(9), "data page offset", fail);
  const dictionary = meta.has(11) ? count(meta.get(11), "dictionary page offset", fail) : 0;
  const byteLength = count(meta.get(7), "compressed size", fail);
  const uncompressedBytes = count(meta.get(6), "uncompressed size", fail);
  // Some writers store 0 for "no dictionary page".
  const offset = dictionary > 0 ? Math.min(dictionary, dataPage) : dataPage;
  if (rows > 0 && (offset < 4 || offset + byteLength > dataEnd)) {
    fail(`a column lies at bytes ${offset} to ${offset + byteLength}, the data ends at ${dataEnd}`);
  }
  return { offset, byteLength, uncompressedBytes };
}

function items(field: ThriftField | undefined, what: string, fail: Fail): readonly ThriftValue[] {
  const value = field?.value;
  if (typeof value !== "object" || value instanceof Uint8Array || value instanceof Map) {
    return fail(`${what}: expected a list`);
  }
  return value.items;
}

function struct(value: ThriftValue | undefined, what: string, fail: Fail): ThriftStruct {
  return value instanceof Map ? value : fail(`${what}: expected a struct`);
}

function count(field: ThriftField | undefined, what: string, fail: Fail): number {
  const value = field?.value;
  return typeof value === "number" && value >= 0
    ? value
    : fail(`${what}: expected a count, found ${String(value)}`);
}

/**
 * Footer of a file that holds only row group `group` (none when undefined) and the top-level
 * columns of `offsets`: physical column to the offset its bytes now have.
 *
 * `ARROW:schema` is left out, so types follow from the parquet types alone: strings are Utf8
 * whether the writer held them as large_string or dictionary.
 */
export function miniatureFooter(
  footer: Footer,
  group: number | undefined,
  offsets: ReadonlyMap<number, number>,
): Uint8Array {
  const tree = new Map(footer.tree);
  const kept = new Set([...offsets.keys()].map((leaf) => footer.leaves[leaf] as number));
  tree.set(2, list(schemaOf(footer, kept)));
  const groups: ThriftStruct[] = [];
  if (group !== undefined) {
    const { chunks } = footer.rowGroups[group] as RowGroup;
    const shifts = new Map<number, number>();
    for (const [leaf, offset] of offsets) {
      shifts.set(leaf, offset - (chunks[leaf] as ColumnChunk).offset);
    }
    groups.push(movedRowGroup(rowGroupTree(footer, group), shifts));
  }
  setInt(tree, 3, group === undefined ? 0 : (footer.rowGroups[group] as RowGroup).rowCount);
  tree.set(4, list(groups));
  for (const id of [5, 7]) tree.delete(id);
  return encodeThrift(tree);
}

/** Schema elements of the root and the given top-level columns. */
function schemaOf(footer: Footer, kept: ReadonlySet<number>): ThriftStruct[] {
  const elements = checkedStructs(footer.tree, 2);
  const root = new Map(elements[0]);
  setInt(root, 5, kept.size);
  const wanted = [root];
  let at = 1;
  for (let column = 0; column < footer.columns.length; column++) {
    const begin = at;
    for (let open = 1; open > 0; open--) {
      const children = elements[at++]?.get(5)?.value;
      if (typeof children === "number") open += children;
    }
    if (kept.has(column)) wanted.push(...elements.slice(begin, at));
  }
  return wanted;
}

/** A row group as it stands in a footer, for {@link joinedFooter}. */
export function rowGroupTree(footer: Footer, group: number): ThriftStruct {
  return checkedStructs(footer.tree, 4)[group] as ThriftStruct; // the caller counts row groups
}

/**
 * The row group reduced to the chunks of `shifts`, each moved by that many bytes. Page indexes and
 * bloom filters, which are optional and lie elsewhere, are dropped.
 */
export function movedRowGroup(
  group: ThriftStruct,
  shifts: ReadonlyMap<number, number>,
): ThriftStruct {
  const chunks: ThriftStruct[] = [];
  checkedStructs(group, 1).forEach((value, leaf) => {
    const shift = shifts.get(leaf);
    if (shift === undefined) return;
    const chunk = new Map(value);
    for (const id of [4, 5, 6, 7]) chunk.delete(id);
    const meta = new Map(chunk.get(3)?.value as ThriftStruct); // checked by parseFooter
    for (const id of [10, 14, 15]) meta.delete(id);
    for (const id of [9, 11]) {
      const at = meta.get(id)?.value;
      if (typeof at === "number" && at > 0) setInt(meta, id, at + shift);
      else meta.delete(id);
    }
    setInt(chunk, 2, 0);
    chunk.set(3, { type: ThriftType.struct, value: meta });
    chunks.push(chunk);
  });
  const moved = new Map(group);
  for (const id of [4, 5, 6, 7]) moved.delete(id);
  moved.set(1, list(chunks));
  return moved;
}

/** Footer of a file made of `rowGroups`, with schema and creator of `template`. */
export function joinedFooter(
  template: Footer,
  rowGroups: readonly ThriftStruct[],
  rowCount: number,
  keyValues: Readonly<Record<string, string>>,
): Uint8Array {
  const tree = new Map(template.tree);
  setInt(tree, 3, rowCount);
  tree.set(4, list(rowGroups));
  tree.set(
    5,
    list(
      Object.entries(keyValues).map(
        ([key, value]): ThriftStruct =>
          new Map([
            [1, { type: ThriftType.binary, value: Buffer.from(key) }],
            [2, { type: ThriftType.binary, value: Buffer.from(value) }],
          ]),
      ),
    ),
  );
  return encodeThrift(tree);
}

/** A footer followed by its length and the magic: the end of a file. */
export function sealed(footer: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(footer.byteLength + TAIL_BYTES);
  bytes.set(footer);
  new DataView(bytes.buffer).setUint32(footer.byteLength, footer.byteLength, true);
  bytes.set(Buffer.from(PARQUET_MAGIC), footer.byteLength + 4);
  return bytes;
}

/** A list of structs that {@link parseFooter} has already looked at. */
function checkedStructs(tree: ThriftStruct, id: number): readonly ThriftStruct[] {
  const value = tree.get(id)?.value as ThriftList; // checked by parseFooter
  return value.items as ThriftStruct[]; // checked by parseFooter
}

function list(structs: readonly ThriftStruct[]): ThriftField {
  return {
    type: ThriftType.list,
    value: { elementType: ThriftType.struct, items: [...structs] },
  };
}

function setInt(fields: ThriftStruct, id: number, value: number): void {
  fields.set(id, { type: fields.get(id)?.type ?? ThriftType.i64, value });
}
