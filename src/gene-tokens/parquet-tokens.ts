import { crc32 } from "../../formats/common/crc32.ts";
import { FormatError, NotFoundError } from "../../formats/common/errors.ts";
import { Turn } from "../../formats/common/turn.ts";
import { ParquetFile } from "../../formats/parquet/parquet-file.ts";

/** Tokens of cells in memory: cell i has `ids[offsets[i], offsets[i + 1])`. */
export interface LoadedTokens {
  /** [tokens] */
  readonly ids: Uint16Array | Int32Array;
  /** [cells + 1] */
  readonly offsets: Float64Array;
  /** Which these are. */
  readonly identity: string;
  /** What was read. */
  readonly files: readonly string[];
}

const COLUMN = "input_ids";

/**
 * Reads the column `input_ids` (lists of integers) of parquet files, as Geneformer's training files and
 * `scdl tokenize-cells --format parquet` have it: 2 bytes a token and 8 a cell, 4 a token for
 * vocabularies beyond 65,536.
 * @throws NotFoundError "no-such-column"; FormatError naming the row for what is no list of tokens below
 *   `vocabularySize`
 */
export async function loadParquetTokens(
  paths: readonly string[],
  vocabularySize: number,
  signal?: AbortSignal,
): Promise<LoadedTokens> {
  const Ids = vocabularySize <= 2 ** 16 ? Uint16Array : Int32Array;
  const files = paths.map((path) => ParquetFile.open(path));
  const offsets = new Float64Array(files.reduce((sum, { rowCount }) => sum + rowCount, 1));
  let ids = new Ids(2 ** 16);
  let [cell, tokens] = [0, 0];
  const turn = new Turn();
  for (const file of files) {
    if (!file.columns.includes(COLUMN)) {
      const message = `${file.path}: there is no column ${COLUMN}`;
      throw new NotFoundError("no-such-column", message, {
        what: COLUMN,
        available: file.columns,
        suggestions: ["give cells as tokens, h5ad or an SCDL data set"],
      });
    }
    let row = 0;
    for await (const batch of file.batches({ columns: [COLUMN] })) {
      for (const list of listsOf(batch.getChildAt(0), file.path, row)) {
        if (tokens + list.length > ids.length) {
          const grown = new Ids(Math.max(2 * ids.length, tokens + list.length));
          grown.set(ids.subarray(0, tokens));
          ids = grown;
        }
        for (let i = 0; i < list.length; i++) {
          const id = Number(list[i]);
          if (!(id >= 0 && id < vocabularySize)) throw badToken(id, vocabularySize, file.path, row);
          ids[tokens++] = id;
        }
        offsets[++cell] = tokens;
        row++;
      }
      await turn.pass(signal);
    }
  }
  const used = ids.subarray(0, tokens);
  const sum = crc32(new Uint8Array(used.buffer, 0, used.byteLength)) >>> 0;
  return { ids: used, offsets, identity: `${cell} cells, ${sum}`, files: paths };
}

type Integers = ArrayLike<number | bigint>;

/** The lists of an Arrow column, as views. */
function* listsOf(
  column: { readonly data: readonly object[] } | null,
  path: string,
  rowBegin: number,
): Generator<Integers> {
  let row = rowBegin;
  for (const part of column?.data ?? []) {
    // proof: what is read of it is checked below
    const { length, nullCount, valueOffsets, children } = part as Partial<ListData>;
    const values = children?.[0]?.values;
    const isList = valueOffsets instanceof Int32Array && isIntegers(values);
    if (!isList || nullCount !== 0 || children?.[0]?.nullCount !== 0 || length === undefined) {
      const found = isList ? "missing values" : "another type";
      const message = `from row ${row} on: expected ${COLUMN} as lists of integers, found ${found}`;
      throw new FormatError("bad-row", message, { path });
    }
    for (let i = 0; i < length; i++) {
      yield values.subarray(valueOffsets[i], valueOffsets[i + 1]);
    }
    row += length;
  }
}

interface ListData {
  readonly length: number;
  readonly nullCount: number;
  readonly valueOffsets: unknown;
  readonly children: readonly { readonly values: unknown; readonly nullCount: number }[];
}

type IntegerArray =
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array;

function isIntegers(values: unknown): values is IntegerArray {
  return [BigInt64Array, BigUint64Array, Int32Array, Uint32Array, Int16Array, Uint16Array].some(
    (kind) => values instanceof kind,
  );
}

function badToken(id: number, size: number, path: string, row: number): FormatError {
  const message = `row ${row}: expected ids below ${size}, found ${id}`;
  return new FormatError("bad-token", message, {
    path,
    suggestions: ["name the vocabulary that the tokens were made with: --vocab"],
  });
}
