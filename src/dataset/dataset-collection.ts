import type * as arrow from "apache-arrow";
import { allocate, isFloat, type ScdlDType, widest } from "../../formats/common/dtype.ts";
import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";
import { type CsrMatrix, checkColumns, type MatrixData } from "../../formats/csr/csr-matrix.ts";
import { CollectionGatherPlan } from "./collection-gather-plan.ts";
import { CollectionNeighbors } from "./collection-neighbors.ts";
import type { VarBlock } from "./dataset-archive.ts";
import {
  type CategoricalColumn,
  joinColumns,
  type ListColumn,
  type NumericColumn,
} from "./feature-column.ts";
import {
  allocateIndices,
  assertCapacity,
  assertHolds,
  assertHoldsColumns,
  GatherBuffers,
  type GatherCounts,
  type GatherTarget,
  type MatrixDTypes,
} from "./gather-buffers.ts";
import type { Neighbors } from "./neighbors.ts";
import type { PrefetchOptions, SparseRow } from "./row-reader.ts";
import { type OpenDatasetOptions, SingleCellDataset } from "./single-cell-dataset.ts";
import type { WriteDatasetOptions, WrittenDataset } from "./write-datasets.ts";

/**
 * Several data sets as one row space, without copying: the rows of the first, then of the second
 * and so on, in the order given.
 *
 * Values and columns come in common element types that hold those of every member exactly. Rows
 * keep the variables of their member: column c means what `varBlockAt(row)` says.
 */
export class DatasetCollection {
  readonly members: readonly SingleCellDataset[];
  readonly nObs: number;
  /** The most variables of any member. */
  readonly nVars: number;
  readonly shape: readonly [nObs: number, nVars: number];
  readonly nnz: number;
  readonly nValues: number;
  readonly dtypes: MatrixDTypes;
  /** Var blocks of all members, in rows of the collection. */
  readonly varBlocks: readonly VarBlock[];
  /** Member m has rows `[#boundaries[m], #boundaries[m + 1])`. */
  readonly #boundaries: Float64Array;
  #neighbors: CollectionNeighbors | null | undefined;
  #plan = new CollectionGatherPlan(64);

  /** Takes over open data sets: {@link close} closes them. @throws IncompatibleError */
  constructor(members: readonly SingleCellDataset[]) {
    this.members = members;
    this.dtypes = commonTypes(members);
    this.#boundaries = new Float64Array(members.length + 1);
    for (const [m, { nObs }] of members.entries()) {
      this.#boundaries[m + 1] = (this.#boundaries[m] as number) + nObs;
    }
    const sum = (count: (member: SingleCellDataset) => number) =>
      members.reduce((total, member) => total + count(member), 0);
    this.nObs = sum(({ nObs }) => nObs);
    this.nnz = sum(({ nnz }) => nnz);
    this.nValues = sum(({ nValues }) => nValues);
    this.nVars = members.reduce((most, { nVars }) => Math.max(most, nVars), 0);
    this.shape = [this.nObs, this.nVars];
    this.varBlocks = members.flatMap((member, m) => {
      const first = this.#boundaries[m] as number;
      return member.varBlocks.map((block) => ({
        ...block,
        rowBegin: block.rowBegin + first,
        rowEnd: block.rowEnd + first,
      }));
    });
  }

  /** Opens the directories in the order given. @throws NotFoundError, FormatError, IncompatibleError */
  static async open(
    directories: readonly string[],
    options: OpenDatasetOptions = {},
  ): Promise<DatasetCollection> {
    const members: SingleCellDataset[] = [];
    try {
      for (const directory of directories) {
        members.push(await SingleCellDataset.open(directory, options));
      }
      return new DatasetCollection(members);
    } catch (error) {
      for (const member of members) member.close();
      throw error;
    }
  }

  /** Share of positions without a stored value. */
  get sparsity(): number {
    return this.nValues === 0 ? 0 : (this.nValues - this.nnz) / this.nValues;
  }

  /** Which member holds a row, and where. @throws InvalidArgumentError */
  locate(row: number): { readonly member: SingleCellDataset; readonly row: number } {
    const m = this.#memberOf(row);
    return {
      member: this.members[m] as SingleCellDataset,
      row: row - (this.#boundaries[m] as number),
    };
  }

  nVarsAt(row: number): number {
    const at = this.locate(row);
    return at.member.nVarsAt(at.row);
  }

  /** The position in {@link varBlocks} of a row. */
  varBlockAt(row: number): number {
    const m = this.#memberOf(row);
    const before = this.members.slice(0, m).reduce((n, { varBlocks }) => n + varBlocks.length, 0);
    const member = this.members[m] as SingleCellDataset;
    return before + member.varBlockAt(row - (this.#boundaries[m] as number));
  }

  /** One row, in the element types of its member. */
  row(row: number): SparseRow {
    const at = this.locate(row);
    return at.member.row(at.row);
  }

  rowDense(row: number): MatrixData {
    const at = this.locate(row);
    return at.member.rowDense(at.row);
  }

  value(row: number, column: number): number | bigint {
    const at = this.locate(row);
    return at.member.value(at.row, column);
  }

  /**
   * Rows in the order asked, as one matrix in the common types.
   * @throws FormatError "column-out-of-range" for a stored column beyond its member's variables.
   */
  rows(rows: ArrayLike<number>): CsrMatrix {
    const nnz = this.#prepare(rows);
    const out = {
      data: allocate(this.dtypes.data, nnz),
      indices: allocateIndices(this.dtypes.indices, nnz),
      indptr: new Float64Array(rows.length + 1),
    };
    this.#copy(rows.length, out);
    let nVars = 0;
    for (let i = 0; i < rows.length; i++) {
      const at = this.locate(rows[i] as number);
      const width = at.member.nVarsAt(at.row);
      const [begin, end] = [out.indptr[i] as number, out.indptr[i + 1] as number];
      if (width > 0) {
        checkColumns(out.indices, begin, end, width, at.row, at.member.directory);
      }
      nVars = Math.max(nVars, width);
    }
    return { ...out, shape: [rows.length, rows.length === 0 ? this.nVars : nVars] };
  }

  /** Like `SingleCellDataset.gather`; `out` holds the common types or wider ones. */
  gather(rows: ArrayLike<number>, out: GatherTarget): GatherCounts {
    const nnz = this.#prepare(rows);
    if (out instanceof GatherBuffers) out.reserve(rows.length, nnz);
    assertCapacity(out, rows.length, nnz);
    assertHolds("out.data", out.data, this.dtypes.data);
    assertHoldsColumns(out.indices, this.dtypes.indices);
    this.#copy(rows.length, out);
    return { rows: rows.length, nnz };
  }

  /** The capacity that {@link gather} needs for these rows; reads row pointers only. */
  gatherCapacity(rows: ArrayLike<number>): GatherCounts {
    return { rows: rows.length, nnz: this.#prepare(rows) };
  }

  createBuffers(capacity: Partial<GatherCounts> = {}): GatherBuffers {
    return new GatherBuffers(this.dtypes, capacity);
  }

  /** Starts reading these rows into memory and returns at once; see `SingleCellDataset.prefetch`. */
  prefetch(rows: ArrayLike<number>, options: PrefetchOptions = {}): void {
    this.#prepare(rows);
    for (const [m, member] of this.members.entries()) {
      const [begin, end] = this.#plan.segment(m);
      if (begin === end) continue;
      const { begins, ends } = this.#plan;
      member.prefetchRanges(
        begins.subarray(begin, end),
        ends.subarray(begin, end),
        end - begin,
        options,
      );
    }
  }

  /**
   * The neighbours stored with the cells, in rows of the collection; null unless every data set has
   * them. @throws FormatError, StorageError as those of a data set; IncompatibleError
   */
  get neighbors(): CollectionNeighbors | null {
    if (this.#neighbors === undefined) {
      const found = this.members.map(({ neighbors }) => neighbors);
      const all = found.filter((neighbors) => neighbors !== null);
      const memberAt = (row: number) => {
        const m = this.#memberOf(row);
        // One for each member, or this is not reached.
        return { firstRow: this.#boundaries[m] as number, neighbors: all[m] as Neighbors };
      };
      this.#neighbors = all.length === found.length ? new CollectionNeighbors(all, memberAt) : null;
    }
    return this.#neighbors;
  }

  /** @internal Which files are read. */
  get identity(): string {
    return this.members.map(({ identity }) => identity).join(" ");
  }

  /** @internal What is in these files. */
  get contentHash(): string {
    return this.members.map(({ contentHash }) => contentHash).join(" ");
  }

  /** One obs column of all members; members without it contribute missing values. */
  async obsColumn(name: string): Promise<NumericColumn | CategoricalColumn | ListColumn> {
    return joinColumns(
      name,
      await Promise.all(
        this.members.map(async (member) => {
          const columns = await member.obsColumns();
          const present = columns.some((column) => column.name === name);
          return present ? member.obsColumn(name) : { length: member.nObs, available: columns };
        }),
      ),
    );
  }

  /** Names and types of the obs columns, of every member. */
  async obsColumns(): Promise<readonly { readonly name: string; readonly type: arrow.DataType }[]> {
    const columns = new Map<string, arrow.DataType>();
    for (const member of this.members) {
      for (const { name, type } of await member.obsColumns()) {
        if (!columns.has(name)) columns.set(name, type);
      }
    }
    return [...columns].map(([name, type]) => ({ name, type }));
  }

  /** Writes all members as one data set ("flatten" in the original). @throws IncompatibleError */
  async save(output: string, options: WriteDatasetOptions = {}): Promise<WrittenDataset> {
    const { concatDatasets } = await import("./concat.ts");
    const directories = this.members.map((member) => member.directory);
    return concatDatasets(directories, { ...options, output });
  }

  close(): void {
    for (const member of this.members) member.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #memberOf(row: number): number {
    if (!(row >= 0 && row < this.nObs && Math.floor(row) === row)) {
      throw new InvalidArgumentError(
        "row",
        row,
        `row ${row} does not exist: expected an integer from 0 to ${this.nObs - 1} (${this.nObs} rows)`,
      );
    }
    let low = 0;
    let high = this.members.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (row < (this.#boundaries[middle + 1] as number)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Sorts the rows by member, asks each member where its rows are; returns the number of values. */
  #prepare(rows: ArrayLike<number>): number {
    const count = rows.length;
    if (this.#plan.capacity < count) this.#plan = new CollectionGatherPlan(count);
    const plan = this.#plan;
    const segments = new Uint32Array(this.members.length + 1);
    for (let i = 0; i < count; i++) {
      const m = this.#memberOf(rows[i] as number);
      plan.memberOf[i] = m;
      segments[m + 1] = (segments[m + 1] as number) + 1;
    }
    for (let m = 0; m < this.members.length; m++) {
      segments[m + 1] = (segments[m + 1] as number) + (segments[m] as number);
    }
    const next = segments.slice();
    for (let i = 0; i < count; i++) {
      const m = plan.memberOf[i] as number;
      const slot = next[m] as number;
      next[m] = slot + 1;
      plan.positions[slot] = i;
      plan.localRows[slot] = (rows[i] as number) - (this.#boundaries[m] as number);
    }
    plan.segments = segments;
    let nnz = 0;
    for (const [m, member] of this.members.entries()) {
      const [begin, end] = plan.segment(m);
      if (begin === end) continue;
      nnz += member.planRows(
        plan.localRows.subarray(begin, end),
        end - begin,
        plan.begins.subarray(begin, end),
        plan.ends.subarray(begin, end),
      );
    }
    return nnz;
  }

  #copy(count: number, out: GatherTarget): void {
    const plan = this.#plan;
    out.indptr[0] = 0;
    for (let slot = 0; slot < count; slot++) {
      const length = (plan.ends[slot] as number) - (plan.begins[slot] as number);
      out.indptr[(plan.positions[slot] as number) + 1] = length;
    }
    for (let i = 0; i < count; i++) {
      out.indptr[i + 1] = (out.indptr[i + 1] as number) + (out.indptr[i] as number);
    }
    for (let slot = 0; slot < count; slot++) {
      plan.ats[slot] = out.indptr[plan.positions[slot] as number] as number;
    }
    for (const [m, member] of this.members.entries()) {
      const [begin, end] = plan.segment(m);
      if (begin === end) continue;
      member.copyRanges(
        plan.begins.subarray(begin, end),
        plan.ends.subarray(begin, end),
        plan.ats.subarray(begin, end),
        end - begin,
        out,
      );
    }
  }
}

/** @throws IncompatibleError when no type holds the values of all members exactly. */
function commonTypes(members: readonly SingleCellDataset[]): MatrixDTypes {
  const [first, ...rest] = members;
  if (first === undefined) {
    throw new InvalidArgumentError("members", members, "a collection needs at least one data set");
  }
  let { data, indices } = first.dtypes;
  for (const { dtypes, directory } of rest) {
    const common = commonType(data, dtypes.data);
    if (common === null) {
      throw new IncompatibleError(
        "dtype-family",
        `${directory}: ${dtypes.data} values and ${data} values of the data sets before have no common type`,
        { suggestions: ["cast one of the data sets"] },
      );
    }
    data = common;
    indices = widest(indices, dtypes.indices);
  }
  return { data, indices };
}

function commonType(a: ScdlDType, b: ScdlDType): ScdlDType | null {
  if (isFloat(a) === isFloat(b)) return widest(a, b);
  const integer = isFloat(a) ? b : a;
  const float = isFloat(a) ? a : b;
  if (integer === "uint64") return null;
  if (integer === "uint32" || float === "float64") return "float64";
  return "float32";
}
