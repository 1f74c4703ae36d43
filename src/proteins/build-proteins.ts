import { existsSync } from "node:fs";
import { InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import { Turn } from "../../formats/common/turn.ts";
import { ProteinStoreWriter } from "../../formats/protein-store/store-writer.ts";
import { type ClusterInput, openClusterInput } from "./cluster-input.ts";
import { ClusterParquetWriter } from "./cluster-parquet-writer.ts";
import type { NamedCluster } from "./named-cluster.ts";
import { ProteinDatabaseWriter } from "./protein-database-writer.ts";
import { readProteins } from "./protein-input.ts";

export interface BuildProteinsOptions {
  /** FASTA or FASTQ files, SQLite data bases, or parquet tables (`id`, `sequence`); in this order. */
  readonly inputs: readonly string[];
  /** Cluster table: parquet (`ur90_id`, `ur50_id`) or lines `cluster<TAB>member`. */
  readonly table?: string;
  /** The SQLite file to write. */
  readonly database?: string;
  /** The cluster table to write, as parquet. Needs `table`. */
  readonly clusters?: string;
  /** The store to write; with `table` its clusters are in it. */
  readonly store?: string;
  /** What a cluster may do that names a protein which no input has. Default "error". */
  readonly missing?: "error" | "skip";
  /** Replace existing outputs. Default false. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BuildProteinsProgress) => void;
}

export interface BuildProteinsProgress {
  readonly phase: "proteins" | "names" | "clusters";
  /** Proteins read, names in the index, clusters read. */
  readonly done: number;
  readonly total?: number;
}

export interface BuiltProteins {
  readonly proteins: number;
  readonly residues: number;
  /** Clusters written, or null without a table. */
  readonly clusters: number | null;
  readonly members: number | null;
  /** Members left out, and clusters of which none was left. */
  readonly missingMembers: number;
  readonly droppedClusters: number;
}

const SHOWN_NAMES = 5;

/**
 * Builds the SQLite file and cluster table that bionemo-esm2 reads, a flat store, or all of them.
 * Each output appears complete under its name, after everything was read, or not at all.
 *
 * @throws InvalidArgumentError; NotFoundError "missing-proteins" for clusters that name proteins
 *   which no input has; IncompatibleError "duplicate-protein"; FormatError; StorageError; the
 *   signal's reason
 */
export async function buildProteins(options: BuildProteinsOptions): Promise<BuiltProteins> {
  checkOptions(options);
  const table = options.table === undefined ? null : await openClusterInput(options.table);
  const outputs = new Outputs(options, table);
  try {
    const residues = await addProteins(outputs, options);
    await outputs.store?.endProteins({
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onProgress: (done) => options.onProgress?.({ phase: "names", done, total: outputs.proteins }),
    });
    const counts = table === null ? null : await addClusters(outputs, table, options);
    options.signal?.throwIfAborted();
    await outputs.finish();
    return {
      proteins: outputs.proteins,
      residues,
      clusters: counts?.clusters ?? null,
      members: counts?.members ?? null,
      missingMembers: counts?.missing ?? 0,
      droppedClusters: counts?.dropped ?? 0,
    };
  } catch (error) {
    outputs.abort();
    throw error;
  }
}

function checkOptions(options: BuildProteinsOptions): void {
  const { inputs, table, database, clusters, store } = options;
  const fail = (name: string, message: string, suggestion: string): never => {
    throw new InvalidArgumentError(name, undefined, message, { suggestions: [suggestion] });
  };
  if (inputs.length === 0) fail("inputs", "expected a file of proteins", "name a FASTA file");
  if (database === undefined && store === undefined) {
    fail("store", "expected an output", "--store DIR, or --database FILE");
  }
  const outputs = [database, clusters, store].filter((path) => path !== undefined);
  if (new Set(outputs).size < outputs.length) {
    fail("store", "two outputs have one name", "give each output a name of its own");
  }
  if (clusters !== undefined && table === undefined) {
    fail("clusters", "clusters are written from a cluster table", "--table FILE");
  }
  for (const path of inputs) {
    if (existsSync(path)) continue;
    throw new NotFoundError("no-such-file", `${path}: no such file or directory`, {
      what: path,
      suggestions: ["check the path"],
    });
  }
}

async function addProteins(outputs: Outputs, options: BuildProteinsOptions): Promise<number> {
  const { signal, onProgress } = options;
  const turn = new Turn();
  let residues = 0;
  for (const path of options.inputs) {
    await readProteins(
      path,
      (id, bytes) => {
        outputs.add(id, bytes);
        residues += bytes.byteLength;
      },
      {
        signal,
        turn: () => {
          if (!turn.isDue) return null;
          onProgress?.({ phase: "proteins", done: outputs.proteins });
          return turn.pass(signal);
        },
      },
    );
  }
  onProgress?.({ phase: "proteins", done: outputs.proteins });
  return residues;
}

async function addClusters(outputs: Outputs, table: ClusterInput, options: BuildProteinsOptions) {
  const { signal, onProgress } = options;
  const turn = new Turn();
  const counts = { clusters: 0, members: 0, missing: 0, dropped: 0 };
  const shown: string[] = [];
  const onMissing = (name: string) => {
    if (shown.length < SHOWN_NAMES) shown.push(name);
    counts.missing++;
  };
  outputs.store?.beginClusters();
  for await (const clusters of table.clusters(signal)) {
    for (const cluster of clusters) {
      const members = await outputs.addCluster(cluster, onMissing);
      if (members === 0 && cluster.members.length > 0) counts.dropped++;
      else counts.clusters++;
      counts.members += members;
      if (turn.isDue) await turn.pass(signal);
    }
    onProgress?.({ phase: "clusters", done: counts.clusters });
  }
  if (counts.missing === 0 || options.missing === "skip") return counts;
  const more = counts.missing > shown.length ? ", ..." : "";
  throw new NotFoundError(
    "missing-proteins",
    `${table.path}: ${counts.missing} of ${counts.members + counts.missing} members are no proteins of the inputs: ${shown.join(", ")}${more}`,
    { what: shown[0] ?? "", suggestions: ["add the file that has them", "--missing skip"] },
  );
}

/** What is written, together. */
class Outputs {
  readonly database: ProteinDatabaseWriter | null = null;
  readonly clusters: ClusterParquetWriter | null = null;
  readonly store: ProteinStoreWriter | null = null;
  readonly #split: "train" | "validation";
  #rows = new Uint32Array(64);
  proteins = 0;

  constructor(options: BuildProteinsOptions, table: ClusterInput | null) {
    const overwrite = options.overwrite ?? false;
    this.#split = table?.split ?? "train";
    try {
      const { database, clusters, store } = options;
      if (database !== undefined) {
        this.database = ProteinDatabaseWriter.create(database, { overwrite });
      }
      if (clusters !== undefined) {
        const hasIds = table?.hasIds ?? true;
        this.clusters = ClusterParquetWriter.create(clusters, {
          overwrite,
          split: this.#split,
          hasIds,
        });
      }
      if (store !== undefined) this.store = new ProteinStoreWriter(store, { overwrite });
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  add(id: string, residues: Uint8Array): void {
    this.database?.add(
      id,
      Buffer.from(residues.buffer, residues.byteOffset, residues.byteLength).toString("latin1"),
    );
    this.store?.add(id, residues);
    this.proteins++;
  }

  /** Adds what there is of a cluster; none of one whose members are all missing. */
  async addCluster(cluster: NamedCluster, onMissing: (name: string) => void): Promise<number> {
    const { members } = cluster;
    const known: string[] = [];
    if (members.length > this.#rows.length) this.#rows = new Uint32Array(2 * members.length);
    for (const name of members) {
      const row = this.#rowOf(name);
      if (row < 0) {
        onMissing(name);
      } else {
        this.#rows[known.length] = row;
        known.push(name);
      }
    }
    if (known.length === 0 && members.length > 0) return 0;
    this.store?.addCluster(this.#rows.subarray(0, known.length));
    const wait = this.clusters?.add(cluster.id, known);
    if (wait !== undefined) await wait;
    return known.length;
  }

  async finish(): Promise<void> {
    this.database?.finish();
    await this.clusters?.finish();
    await this.store?.finish();
  }

  abort(): void {
    this.database?.abort();
    this.clusters?.abort();
    this.store?.abort();
  }

  /** The row in the store; without one 0 for a protein of the data base; -1 for none. */
  #rowOf(name: string): number {
    if (this.store !== null) return this.store.indexOf(name);
    return this.database?.has(name) === true ? 0 : -1;
  }
}
