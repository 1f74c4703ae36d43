import { basename, dirname, join } from "node:path";
import { FileSource } from "../../formats/bytes/file-source.ts";
import { isScdlDType, type ScdlDType } from "../../formats/common/dtype.ts";
import { FormatError, isScdlError, NotFoundError } from "../../formats/common/errors.ts";
import { HeaderFields } from "../../formats/common/header-fields.ts";
import type { CsrMatrix, MatrixData } from "../../formats/csr/csr-matrix.ts";
import { decodeNpyArray } from "../../formats/npy/npy-array.ts";
import { IndexedShards } from "../webdataset/indexed-shards.ts";
import { MANIFEST_FILE } from "../webdataset/shard-folder.ts";
import type { BoundCellTokenizer } from "./bound-cell-tokenizer.ts";
import { type CellColumn, shardColumn } from "./cell-obs.ts";
import type { CellTokenizer } from "./cell-tokenizer.ts";
import { GENE_COLUMNS } from "./gene-names.ts";
import { assertKnownGenes, type RankedCells } from "./ranked-cells.ts";
import { ownBytes } from "./token-cells.ts";
import { TokenRows } from "./token-rows.ts";

/** Longest `shards.json` that is read: a million genes fit. */
const MAX_MANIFEST_BYTES = 2 ** 27;

/** What `shards.json` says of cells in shards. */
interface CellManifest {
  readonly dtype: ScdlDType;
  readonly genes: readonly string[];
}

/** Cells that `scdl shards write` made of an SCDL data set: stored values, or rows with zeros. */
export class ShardCells implements RankedCells {
  readonly length: number;
  readonly identity: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #shards: IndexedShards;
  readonly #bound: BoundCellTokenizer;
  readonly #dtype: ScdlDType;
  readonly #tokens = new TokenRows();
  /** [cells] stored values, as far as they were asked for. */
  readonly #stored: Uint32Array;

  private constructor(
    path: string,
    shards: IndexedShards,
    bound: BoundCellTokenizer,
    dtype: ScdlDType,
  ) {
    this.#path = path;
    this.#shards = shards;
    this.#bound = bound;
    this.#dtype = dtype;
    this.length = shards.length;
    this.#stored = new Uint32Array(shards.length);
    this.identity = { shards: shards.identity };
  }

  /**
   * @param path a folder of shards with `shards.json`, or one of its shards
   * @param genes var column with Ensembl ids. Default as `readGeneNames()`.
   * @throws as `IndexedShards.open`; NotFoundError "no-such-column"; FormatError for a manifest that
   *   is missing, damaged, or of proteins; IncompatibleError "no-known-gene"
   */
  static async open(
    path: string,
    cells: CellTokenizer,
    options: { readonly genes?: string | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<ShardCells> {
    const { dtype, genes } = readManifest(path, options.genes);
    const bound = cells.bind(genes, { data: dtype });
    assertKnownGenes(path, bound.columns);
    return new ShardCells(path, await IndexedShards.open(path, options), bound, dtype);
  }

  /** @throws FormatError for a sample without the fields, or of other types than the manifest says */
  ranked(row: number): Int32Array {
    const tokens = this.#tokens;
    tokens.clear();
    this.#bound.tokenize(this.#row(row), tokens, { rowBegin: row });
    return tokens.at(0);
  }

  mostGenes(row: number): number {
    const known = this.#stored[row] ?? 0;
    if (known > 0) return known;
    const { length } = this.#row(row).data;
    this.#stored[row] = length;
    return length;
  }

  async obs(name: string): Promise<CellColumn> {
    return shardColumn(this.#shards, this.#path, name);
  }

  async names(): Promise<(row: number) => string> {
    return (row) => this.#shards.sample(row).key;
  }

  [Symbol.dispose](): void {
    this.#shards.close();
  }

  #row(row: number): CsrMatrix {
    const { key, fields } = this.#shards.sample(row);
    const bad = (problem: string) =>
      new FormatError("bad-field", `sample ${JSON.stringify(key)}: ${problem}`, {
        path: this.#path,
        suggestions: ["scdl shards write CELLS.scdl makes shards of cells"],
      });
    const array = (name: string) => {
      const bytes = fields.get(name);
      if (bytes === undefined) return null;
      const { data, dtype, shape } = decodeNpyArray(
        ownBytes(bytes),
        `${this.#path} ${key}.${name}`,
      );
      if (shape.length === 1 && (typeof data[0] !== "string" || data.length === 0)) {
        return { dtype, data };
      }
      throw bad(`expected ${name} of one axis, found ${dtype} [${shape}]`);
    };
    const nVars = this.#bound.columns.genes.length;
    const values = array("data.npy");
    const columns = array("indices.npy");
    if (values !== null && columns !== null) {
      const { data: indices } = columns;
      const isIndices =
        indices instanceof Uint8Array ||
        indices instanceof Uint16Array ||
        indices instanceof Uint32Array;
      if (!isIndices) throw bad(`expected unsigned indices, found ${columns.dtype}`);
      if (values.dtype !== this.#dtype && !isWidened(values.dtype, this.#dtype)) {
        throw bad(
          `expected data of ${this.#dtype} as ${MANIFEST_FILE} says, found ${values.dtype}`,
        );
      }
      if (values.data.length !== indices.length) {
        throw bad(`found ${values.data.length} values and ${indices.length} indices`);
      }
      // proof: of a type of SCDL
      return rowOf(values.data as MatrixData, indices, nVars);
    }
    const dense = array("x.npy");
    if (dense === null) {
      const found = [...fields.keys()].join(", ");
      throw bad(`expected data.npy and indices.npy, or x.npy, found ${found}`);
    }
    if (dense.data.length !== nVars) {
      throw bad(`expected x.npy of ${nVars} values, found ${dense.data.length}`);
    }
    return withoutZeros(dense.data as MatrixData, nVars); // proof: numbers
  }
}

function isWidened(found: string, dtype: ScdlDType): boolean {
  return dtype === "float16" && found === "float32";
}

function rowOf(data: MatrixData, indices: CsrMatrix["indices"], nVars: number): CsrMatrix {
  return { data, indices, indptr: Float64Array.of(0, data.length), shape: [1, nVars] };
}

function withoutZeros(values: MatrixData, nVars: number): CsrMatrix {
  const numbers = values instanceof BigUint64Array ? Float64Array.from(values, Number) : values;
  const indices = new Uint32Array(numbers.length);
  let n = 0;
  for (let column = 0; column < numbers.length; column++) {
    if (numbers[column] !== 0) indices[n++] = column;
  }
  const kept = indices.subarray(0, n);
  return rowOf(
    numbers.slice(0, n).map((_, i) => numbers[kept[i] as number] as number),
    kept,
    nVars,
  );
}

function readManifest(path: string, wanted: string | undefined): CellManifest {
  const file = join(/\.tar$/i.test(path) ? dirname(path) : path, MANIFEST_FILE);
  const root = HeaderFields.parse(readText(file), {
    path: file,
    suggestion: "scdl shards write CELLS.scdl makes shards of cells",
  });
  if (root.value("format") !== "scdl-shards") {
    root.fail("format", '"scdl-shards"', root.value("format"));
  }
  if (root.value("proteins") !== undefined) root.fail("nVars", "shards of cells", "proteins");
  const dtype = root.fields("dtypes").value("data");
  if (typeof dtype !== "string" || !isScdlDType(dtype)) {
    return root.fail("dtypes.data", "a type of SCDL", dtype);
  }
  const columns = new Map<string, unknown>([["var_feature_id", root.value("genes")]]);
  if (root.value("var") !== undefined) {
    const table = root.fields("var");
    for (const name of table.names) columns.set(name, table.value(name));
  }
  const available = [...columns]
    .filter(([, values]) => Array.isArray(values))
    .map(([name]) => name);
  const found = (wanted === undefined ? GENE_COLUMNS : [wanted]).find((name) =>
    available.includes(name),
  );
  if (found === undefined) {
    const message = `${file}: there is no column ${wanted ?? GENE_COLUMNS.join(" or ")} with Ensembl ids`;
    throw new NotFoundError("no-such-column", message, {
      what: wanted ?? "feature_id",
      available,
      suggestions: ["name one of them: --genes COLUMN"],
    });
  }
  const genes = columns.get(found) as readonly unknown[]; // proof: an array
  const nVars = root.count("nVars");
  if (genes.length !== nVars || genes.some((gene) => typeof gene !== "string")) {
    root.fail(found, `${nVars} names`, `${genes.length} values`);
  }
  return { dtype, genes: genes as readonly string[] }; // proof: all are text
}

function readText(path: string): string {
  try {
    using file = FileSource.open(path);
    const { byteLength } = file;
    if (byteLength <= MAX_MANIFEST_BYTES) return Buffer.from(file.read(0, byteLength)).toString();
    const message = `expected at most ${MAX_MANIFEST_BYTES} bytes, found ${byteLength}`;
    throw new FormatError("bad-header", message, { path });
  } catch (cause) {
    if (!isScdlError(cause, "no-such-file")) throw cause;
    const message = `expected ${basename(path)}, which names the genes, beside the shards`;
    throw new FormatError("no-genes", message, {
      path,
      cause,
      suggestions: ["copy it with the shards", "scdl shards write CELLS.scdl makes both"],
    });
  }
}
