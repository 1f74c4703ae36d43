import { FormatError, InvalidArgumentError } from "../../formats/common/errors.ts";
import { type IndexedSample, IndexedShards } from "../webdataset/indexed-shards.ts";
import type { ClusteredProteins } from "./protein-source.ts";

/** Fields that hold residues as text, the first there is; `writeProteinShards()` writes the first. */
export const SEQUENCE_FIELDS = ["sequence.txt", "sequence", "seq", "txt"] as const;
export const ID_FIELD = "id.txt";

/** Proteins in shards, read where they are, each as a cluster of its own. */
export class ShardClusters implements ClusteredProteins, Disposable {
  readonly length: number;
  readonly #shards: IndexedShards;

  private constructor(shards: IndexedShards) {
    this.#shards = shards;
    this.length = shards.length;
  }

  /** Reads one of them. @throws as `IndexedShards.open`; FormatError "no-such-field" */
  static async open(
    path: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ShardClusters> {
    const shards = await IndexedShards.open(path, options);
    try {
      sequenceOf(shards.sample(0));
      return new ShardClusters(shards);
    } catch (error) {
      shards.close();
      throw error;
    }
  }

  size(cluster: number): number {
    this.#check(cluster, 0);
    return 1;
  }

  /** The field `id.txt`, or else the key. */
  memberId(cluster: number, k: number): string {
    this.#check(cluster, k);
    const { key, fields } = this.#shards.sample(cluster);
    const id = fields.get(ID_FIELD);
    return id === undefined ? key : Buffer.from(id).toString();
  }

  memberSequence(cluster: number, k: number): Uint8Array {
    this.#check(cluster, k);
    return sequenceOf(this.#shards.sample(cluster));
  }

  close(): void {
    this.#shards.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #check(cluster: number, k: number): void {
    const isThere = Number.isInteger(cluster) && cluster >= 0 && cluster < this.length;
    if (isThere && k === 0) return;
    throw new InvalidArgumentError(
      "cluster",
      cluster,
      `there is no member ${k} of cluster ${cluster}, of ${this.length} clusters of one protein`,
    );
  }
}

function sequenceOf({ key, path, fields }: IndexedSample): Uint8Array {
  for (const name of SEQUENCE_FIELDS) {
    const found = fields.get(name);
    if (found !== undefined) return withoutLineEnd(found);
  }
  const found = [...fields.keys()].join(", ") || "none";
  throw new FormatError(
    "no-such-field",
    `sample ${JSON.stringify(key)}: expected a field ${SEQUENCE_FIELDS.join(" or ")}, found ${found}`,
    { path, suggestions: ["scdl shards write proteins.fasta makes shards of proteins"] },
  );
}

function withoutLineEnd(text: Uint8Array): Uint8Array {
  let end = text.length;
  while (end > 0 && (text[end - 1] === 10 || text[end - 1] === 13)) end--;
  return text.subarray(0, end);
}
