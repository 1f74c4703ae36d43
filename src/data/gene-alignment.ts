import { type ScdlDType, smallestUnsigned } from "../../formats/common/dtype.ts";
import { FormatError, InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import {
  aFunction,
  aText,
  checkOptions,
  either,
  type OptionKinds,
  oneOf,
  texts,
} from "../../formats/common/options.ts";
import type { VarBlock } from "../dataset/dataset-archive.ts";
import type { CategoricalColumn, ListColumn, NumericColumn } from "../dataset/feature-column.ts";
import {
  assertCapacity,
  GatherBuffers,
  type GatherCounts,
  type GatherTarget,
  type MatrixDTypes,
} from "../dataset/gather-buffers.ts";
import { findVarBlock } from "../dataset/var-block.ts";
import type { NeighborSource, RowSource } from "./row-source.ts";

/** Not on the gene list. */
const DROPPED = -1;

/** Where the columns of each var block go; small enough to be sent to worker threads. */
export interface GeneMaps {
  readonly nGenes: number;
  /** Per var block: column of the block to position on the gene list, -1 for none. */
  readonly columns: readonly Int32Array[];
  /** Whether several columns of a block may go to one gene, whose values are then added. */
  readonly sums: boolean;
}

/**
 * Rows of data sets with different genes, as rows over one gene list.
 *
 * A {@link RowSource}: whatever reads a data set reads this. Columns are positions on the list, in
 * the order the row stores its own; genes that a row's data set has not measured are not stored.
 */
export class AlignedDataset implements RowSource {
  readonly base: RowSource;
  readonly maps: GeneMaps;
  readonly nObs: number;
  /** Genes on the list. */
  readonly nVars: number;
  /** Stored values of the data set below; rows here may hold fewer. */
  readonly nnz: number;
  readonly dtypes: MatrixDTypes;
  readonly varBlocks: readonly VarBlock[];
  readonly #scratch: GatherBuffers;
  /** Where a gene of the present row stands in the output, by gene; -1 for nowhere yet. */
  readonly #placeOf: Int32Array;

  /** For {@link alignGenes} and worker threads. Takes over `base`. */
  constructor(base: RowSource, maps: GeneMaps) {
    this.base = base;
    this.maps = maps;
    this.nObs = base.nObs;
    this.nnz = base.nnz;
    this.nVars = maps.nGenes;
    this.dtypes = {
      data: maps.sums ? sumType(base.dtypes.data) : base.dtypes.data,
      indices: smallestUnsigned(Math.max(0, maps.nGenes - 1)),
    };
    this.varBlocks = base.varBlocks.map((block) => ({ ...block, nVars: maps.nGenes }));
    this.#scratch = base.createBuffers();
    this.#placeOf = new Int32Array(maps.sums ? maps.nGenes : 0).fill(-1);
  }

  get identity(): string {
    return this.base.identity;
  }

  get contentHash(): string {
    return this.base.contentHash ?? "";
  }

  /** Those of the data set below; null when it has none. */
  get neighbors(): NeighborSource | null {
    return this.base.neighbors ?? null;
  }

  gather(rows: ArrayLike<number>, out: GatherTarget): GatherCounts {
    const { nnz } = this.base.gather(rows, this.#scratch);
    if (out instanceof GatherBuffers) out.reserve(rows.length, nnz);
    assertCapacity(out, rows.length, nnz);
    out.indptr[0] = 0;
    let at = 0;
    for (let i = 0; i < rows.length; i++) {
      at = this.#mapRow(rows[i] as number, i, at, out);
      out.indptr[i + 1] = at;
    }
    return { rows: rows.length, nnz: at };
  }

  createBuffers(): GatherBuffers {
    return new GatherBuffers(this.dtypes);
  }

  prefetch(rows: ArrayLike<number>, options: { readonly onlyCold?: boolean } = {}): void {
    this.base.prefetch(rows, options);
  }

  obsColumn(name: string): Promise<NumericColumn | CategoricalColumn | ListColumn> {
    return this.base.obsColumn(name);
  }

  /** [nGenes] of the data set that a row belongs to: 1 where the gene was measured at all. */
  measured(row: number): Uint8Array {
    const genes = new Uint8Array(this.nVars);
    for (const gene of this.#mapOf(row)) if (gene !== DROPPED) genes[gene] = 1;
    return genes;
  }

  #mapOf(row: number): Int32Array {
    const map = this.maps.columns[findVarBlock(this.varBlocks, row)];
    if (map !== undefined) return map;
    throw new InvalidArgumentError("row", row, `row ${row} does not exist (${this.nObs} rows)`);
  }

  #mapRow(row: number, i: number, begin: number, out: GatherTarget): number {
    const map = this.#mapOf(row);
    const { data, indices, indptr } = this.#scratch;
    const { sums } = this.maps;
    const placeOf = this.#placeOf;
    let at = begin;
    const end = indptr[i + 1] as number;
    for (let k = indptr[i] as number; k < end; k++) {
      const column = indices[k] as number;
      if (column >= map.length) throw columnOutOfRange(column, map.length, row);
      const gene = map[column] as number;
      if (gene === DROPPED) continue;
      if (sums) {
        const place = placeOf[gene] as number;
        if (place >= 0) {
          // One class on both sides, or numbers into a wider type: never a bigint (see sumType).
          out.data[place] = (out.data[place] as number) + (data[k] as number);
          continue;
        }
        placeOf[gene] = at;
      }
      // Types as above; a bigint meets a BigUint64Array only.
      out.data[at] = data[k] as never;
      out.indices[at++] = gene;
    }
    if (sums) for (let k = begin; k < at; k++) placeOf[out.indices[k] as number] = -1;
    return at;
  }
}

export interface AlignGenesOptions {
  /**
   * The gene list: "inner", the genes of every var block; "outer", the genes of any; or the list
   * itself. "inner" and "outer" keep the order of the first block, "outer" then appends.
   */
  readonly genes: "inner" | "outer" | readonly string[];
  /** A gene of a given list that a var block lacks: "zero" (default) stores nothing for it. */
  readonly missing?: "zero" | "error";
  /**
   * An id that stands several times in one var block: "error" (default), "first" takes the first
   * column, "sum" adds the values up (in uint32 for uint8 and uint16, float32 for float16, float64
   * for uint32, which cannot overflow in practice).
   */
  readonly duplicates?: "error" | "first" | "sum";
  /** The var column that holds the ids. Default "var_feature_id". */
  readonly idColumn?: string;
  /** Changes an id before it is compared, e.g. cuts the version off an Ensembl id. */
  readonly normalize?: (id: string) => string;
}

const ALIGN_KINDS: OptionKinds<AlignGenesOptions> = {
  genes: either(oneOf("inner", "outer"), texts),
  missing: oneOf("zero", "error"),
  duplicates: oneOf("error", "first", "sum"),
  idColumn: aText,
  normalize: aFunction,
};

/** A data set or collection with var tables. */
export interface GeneSource extends RowSource {
  readonly members?: readonly GeneSource[];
  var?(
    columns?: readonly string[],
    block?: number,
  ): Promise<{ getChild(name: string): Iterable<unknown> | null }>;
}

/** Rows over one gene list, and the list. */
export interface AlignedGenes {
  readonly dataset: AlignedDataset;
  /** [nGenes] id of each column. */
  readonly genes: readonly string[];
}

/**
 * Maps the rows of a data set or collection onto one gene list.
 *
 * @throws NotFoundError "no-such-gene" for `missing: "error"`, InvalidArgumentError for ids that
 *   repeat on the list itself, FormatError "duplicate-gene" for `duplicates: "error"`.
 */
export async function alignGenes(
  source: GeneSource,
  options: AlignGenesOptions,
): Promise<AlignedGenes> {
  checkOptions("alignGenes", options, ALIGN_KINDS);
  if (options.genes === undefined) {
    const message = `alignGenes: genes is not given, expected ${ALIGN_KINDS.genes.expected}`;
    throw new InvalidArgumentError("genes", undefined, message);
  }
  const column = options.idColumn ?? "var_feature_id";
  const normalize = options.normalize ?? ((id: string) => id);
  const blocks: BlockIds[] = [];
  for (const member of source.members ?? [source]) {
    for (let block = 0; block < member.varBlocks.length; block++) {
      const ids = await readIds(member, column, block);
      const label = member.varBlocks[block]?.label ?? `var block ${blocks.length}`;
      blocks.push({ label, ids: ids.map(normalize) });
    }
  }
  const duplicates = options.duplicates ?? "error";
  if (duplicates === "error") for (const block of blocks) assertDistinct(block);
  const genes = geneList(options, blocks);
  const positions = new Map(genes.map((id, position) => [id, position]));
  const missing = typeof options.genes !== "string" && options.missing === "error";
  const columns = blocks.map((block) => {
    if (missing) assertMeasured(block, genes);
    return columnMap(block, positions, duplicates === "first");
  });
  const sums = duplicates === "sum" && blocks.some(({ ids }) => new Set(ids).size < ids.length);
  if (sums && source.dtypes.data === "uint64") {
    throw new InvalidArgumentError("duplicates", "sum", "uint64 values cannot be added up", {
      suggestions: ["cast the data set to float64 or uint32 first"],
    });
  }
  const maps: GeneMaps = { nGenes: genes.length, columns, sums };
  return { dataset: new AlignedDataset(source, maps), genes };
}

interface BlockIds {
  readonly label: string;
  readonly ids: readonly string[];
}

async function readIds(source: GeneSource, column: string, block: number): Promise<string[]> {
  const table = await source.var?.([column], block);
  return Array.from(table?.getChild(column) ?? [], String);
}

function geneList(options: AlignGenesOptions, blocks: readonly BlockIds[]): readonly string[] {
  const { genes } = options;
  if (genes !== "inner" && genes !== "outer") {
    const list = genes.map(options.normalize ?? ((id: string) => id));
    const repeated = firstRepeated(list);
    if (repeated === null) return list;
    throw new InvalidArgumentError("genes", repeated, `${repeated} stands twice on the gene list`);
  }
  if (genes === "outer") return [...new Set(blocks.flatMap(({ ids }) => ids))];
  const sets = blocks.map(({ ids }) => new Set(ids));
  const shared = [...(sets[0] ?? [])].filter((id) => sets.every((set) => set.has(id)));
  if (shared.length > 0 || blocks.length === 0) return shared;
  throw new NotFoundError("no-such-gene", "no gene id is in every var block", {
    what: "shared gene ids",
    suggestions: ["compare the ids: symbols in one, Ensembl ids in another? use normalize"],
  });
}

function columnMap(
  { ids }: BlockIds,
  positions: ReadonlyMap<string, number>,
  firstOnly: boolean,
): Int32Array {
  const taken = new Set<string>();
  return Int32Array.from(ids, (id) => {
    if (firstOnly && taken.has(id)) return DROPPED;
    taken.add(id);
    return positions.get(id) ?? DROPPED;
  });
}

function assertDistinct({ ids, label }: BlockIds): void {
  const repeated = firstRepeated(ids);
  if (repeated === null) return;
  throw new FormatError("duplicate-gene", `gene ${repeated} stands several times in var`, {
    path: label,
    suggestions: ['choose duplicates: "sum" or "first"'],
  });
}

function assertMeasured({ ids, label }: BlockIds, genes: readonly string[]): void {
  const present = new Set(ids);
  const absent = genes.filter((id) => !present.has(id));
  if (absent.length === 0) return;
  const some = absent.slice(0, 5).join(", ");
  throw new NotFoundError(
    "no-such-gene",
    `${label}: ${absent.length} of ${genes.length} genes are missing: ${some}${absent.length > 5 ? ", ..." : ""}`,
    { what: absent[0] as string, suggestions: ['choose missing: "zero"'] },
  );
}

function firstRepeated(ids: readonly string[]): string | null {
  const seen = new Set<string>();
  for (const id of ids) {
    if (seen.has(id)) return id;
    seen.add(id);
  }
  return null;
}

function columnOutOfRange(column: number, columns: number, row: number): FormatError {
  return new FormatError(
    "column-out-of-range",
    `row ${row} has column ${column}, expected below ${columns}`,
    { path: "data set", suggestions: ["scdl inspect --verify DIR checks every row"] },
  );
}

/** Holds the sum of as many values as one gene id may have columns. */
function sumType(dtype: ScdlDType): ScdlDType {
  if (dtype === "uint8" || dtype === "uint16") return "uint32";
  if (dtype === "uint32") return "float64";
  return dtype;
}
