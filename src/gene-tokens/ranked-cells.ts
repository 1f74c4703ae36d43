import {
  FormatError,
  IncompatibleError,
  InvalidArgumentError,
} from "../../formats/common/errors.ts";
import type { GatherBuffers } from "../dataset/gather-buffers.ts";
import type { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import type { BoundCellTokenizer } from "./bound-cell-tokenizer.ts";
import { type CellColumn, columnPlace } from "./cell-obs.ts";
import type { CellTokenizer } from "./cell-tokenizer.ts";
import { readGeneNames } from "./gene-names.ts";
import { TokenRows } from "./token-rows.ts";

/** Cells as ranked genes, any cell at once: what training masks, wherever it is stored. */
export interface RankedCells extends Disposable {
  /** Cells. */
  readonly length: number;
  /** Which cells these are, as fields of JSON: a run goes on with those it began with. */
  readonly identity: Readonly<Record<string, unknown>>;
  /**
   * Tokens of a cell's genes without special ones, the most characteristic first; valid until the
   * next call.
   * @throws FormatError "empty-cell" for a cell without stored values; InvalidArgumentError for a row
   *   that is not there.
   */
  ranked(row: number): Int32Array;
  /** How many there are, or a few more; read without ranking them. */
  mostGenes(row: number): number;
  /** An obs column. @throws NotFoundError "no-such-column" */
  obs(name: string): Promise<CellColumn>;
  /** Names of the cells; null where nothing names them. */
  names(): Promise<((row: number) => string) | null>;
}

/** The obs column with the names of cells. */
const NAMES = "obs_feature_id";

/** Cells of an SCDL data set. Closing it closes the data set. */
export class RankedDataset implements RankedCells {
  readonly length: number;
  readonly identity: Readonly<Record<string, unknown>>;
  readonly #dataset: SingleCellDataset;
  readonly #bound: readonly BoundCellTokenizer[];
  readonly #buffers: GatherBuffers;
  readonly #tokens = new TokenRows();

  private constructor(dataset: SingleCellDataset, bound: readonly BoundCellTokenizer[]) {
    this.#dataset = dataset;
    this.#bound = bound;
    this.#buffers = dataset.createBuffers();
    this.length = dataset.nObs;
    this.identity = { shape: dataset.shape, nnz: dataset.nnz };
  }

  /**
   * @param genes var column with Ensembl ids. Default: see `readGeneNames()`.
   * @throws NotFoundError "no-such-column" for a data set without Ensembl ids
   */
  static async open(
    dataset: SingleCellDataset,
    cells: CellTokenizer,
    genes?: string,
  ): Promise<RankedDataset> {
    const names = await readGeneNames(dataset, genes);
    const data = dataset.dtypes.data;
    return new RankedDataset(
      dataset,
      names.map((of) => cells.bind(of, { data })),
    );
  }

  /** @throws IncompatibleError "no-known-gene" unless a gene of every list of genes has a token */
  assertKnown(): void {
    for (const { columns } of this.#bound) assertKnownGenes(this.#dataset.directory, columns);
  }

  ranked(row: number): Int32Array {
    const dataset = this.#dataset;
    const buffers = this.#buffers;
    dataset.gather([row], buffers);
    const { data, indices, indptr } = buffers;
    const bound = this.#bound[dataset.varBlockAt(row)] as BoundCellTokenizer;
    const tokens = this.#tokens;
    tokens.clear();
    const block = { data, indices, indptr, shape: [1, dataset.nVars] as const };
    bound.tokenize(block, tokens, { rowBegin: row });
    return tokens.at(0);
  }

  mostGenes(row: number): number {
    return this.#dataset.gatherCapacity([row]).nnz;
  }

  async obs(name: string): Promise<CellColumn> {
    const column = await this.#dataset.obsColumn(name);
    return {
      isNumeric: column.kind === "numeric",
      at: (row) => column.at(row),
      place: (row) => columnPlace(this.#dataset.directory, name, row),
    };
  }

  async names(): Promise<((row: number) => string) | null> {
    const columns = await this.#dataset.obsColumns();
    if (!columns.some(({ name }) => name === NAMES)) return null;
    const column = await this.#dataset.obsColumn(NAMES);
    return (row) => String(column.at(row));
  }

  [Symbol.dispose](): void {
    this.#dataset.close();
  }
}

/** @throws IncompatibleError "no-known-gene" when no gene of a matrix has a token */
export function assertKnownGenes(path: string, { genes, known }: BoundCellTokenizer["columns"]) {
  if (known > 0) return;
  const examples = genes.slice(0, 3).join(", ");
  throw new IncompatibleError(
    "no-known-gene",
    `${path}: none of ${genes.length} genes (${examples}) is in the vocabulary`,
    {
      suggestions: [
        "name the var column with Ensembl ids: --genes COLUMN",
        "take medians of genes of this kind, or those of the data: --medians auto",
      ],
    },
  );
}

/** Some of the cells, in the order given; they close with the cells they are of. */
export class ChosenCells implements RankedCells {
  readonly length: number;
  readonly identity: Readonly<Record<string, unknown>>;
  readonly #cells: RankedCells;
  readonly #chosen: Uint32Array;

  constructor(cells: RankedCells, chosen: Uint32Array) {
    this.#cells = cells;
    this.#chosen = chosen;
    this.length = chosen.length;
    this.identity = { ...cells.identity, chosen: chosen.length };
  }

  ranked(row: number): Int32Array {
    return this.#cells.ranked(this.#rowOf(row));
  }

  mostGenes(row: number): number {
    return this.#cells.mostGenes(this.#rowOf(row));
  }

  async obs(name: string): Promise<CellColumn> {
    const { isNumeric, at, place } = await this.#cells.obs(name);
    return {
      isNumeric,
      at: (row) => at(this.#rowOf(row)),
      place: (row) => place(this.#rowOf(row)),
    };
  }

  async names(): Promise<((row: number) => string) | null> {
    const names = await this.#cells.names();
    return names === null ? null : (row) => names(this.#rowOf(row));
  }

  #rowOf(row: number): number {
    const of = this.#chosen[row];
    if (of !== undefined) return of;
    throw noRow(row, this.length);
  }

  [Symbol.dispose](): void {
    this.#cells[Symbol.dispose]();
  }
}

/** Cells of several places, those of the first first. Closing it closes all. */
export class JoinedCells implements RankedCells {
  readonly length: number;
  readonly identity: Readonly<Record<string, unknown>>;
  readonly #parts: readonly RankedCells[];
  readonly #begins: readonly number[];

  constructor(parts: readonly RankedCells[]) {
    let length = 0;
    this.#begins = parts.map((part) => {
      length += part.length;
      return length - part.length;
    });
    this.#parts = parts;
    this.length = length;
    this.identity = { parts: parts.map(({ identity }) => identity) };
  }

  ranked(row: number): Int32Array {
    const [part, at] = this.#find(row);
    return (this.#parts[part] as RankedCells).ranked(at);
  }

  mostGenes(row: number): number {
    const [part, at] = this.#find(row);
    return (this.#parts[part] as RankedCells).mostGenes(at);
  }

  async obs(name: string): Promise<CellColumn> {
    const columns = await Promise.all(this.#parts.map((part) => part.obs(name)));
    const of = (row: number): [CellColumn, number] => {
      const [part, at] = this.#find(row);
      return [columns[part] as CellColumn, at]; // proof: one for each part
    };
    return {
      isNumeric: columns.every(({ isNumeric }) => isNumeric),
      at: (row) => {
        const [column, at] = of(row);
        return column.at(at);
      },
      place: (row) => {
        const [column, at] = of(row);
        return column.place(at);
      },
    };
  }

  /** Cells of a part without names are called by their row among all. */
  async names(): Promise<(row: number) => string> {
    const names = await Promise.all(this.#parts.map((part) => part.names()));
    return (row) => {
      const [part, at] = this.#find(row);
      return names[part]?.(at) ?? String(row);
    };
  }

  /** The part of a row, and the row in it. */
  #find(row: number): [part: number, row: number] {
    if (!(Number.isInteger(row) && row >= 0 && row < this.length)) throw noRow(row, this.length);
    // proof: a row that is there lies in a part; of empty ones the last that begins there is taken
    const part = this.#begins.findLastIndex((begin) => begin <= row);
    return [part, row - (this.#begins[part] as number)];
  }

  [Symbol.dispose](): void {
    for (const part of this.#parts) part[Symbol.dispose]();
  }
}

/** The parts as one; a single one is itself. @throws FormatError "empty" for no cell at all */
export function joinCells(parts: readonly RankedCells[], path: string): RankedCells {
  const [only] = parts;
  const cells = parts.length === 1 && only !== undefined ? only : new JoinedCells(parts);
  if (cells.length > 0) return cells;
  throw new FormatError("empty", "there is no cell in it", { path });
}

function noRow(row: number, length: number): InvalidArgumentError {
  const message = `expected a cell of 0 to ${length - 1}, found ${row}`;
  return new InvalidArgumentError("row", row, message);
}
