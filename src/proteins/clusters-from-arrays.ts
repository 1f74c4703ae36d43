import { InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import type { ClusteredProteins, ProteinSource } from "./protein-source.ts";

/** Proteins by name: residues as text or ASCII bytes. */
export type NamedSequences =
  | ReadonlyMap<string, string | Uint8Array>
  | Readonly<Record<string, string | Uint8Array>>;

/**
 * Clusters held in memory, each a list of protein names, over proteins that are too, or over a
 * source of them.
 *
 * @throws NotFoundError for a name without a protein, naming it and its cluster.
 */
export function clustersFromArrays(
  clusters: readonly (readonly string[])[],
  proteins: NamedSequences | ProteinSource,
): ClusteredProteins {
  const lookup = isSource(proteins) ? fromSource(proteins) : fromNamed(proteins);
  for (const [cluster, members] of clusters.entries()) {
    for (const id of members) {
      if (!lookup.has(id)) throw missing(cluster, id);
    }
  }
  const memberId = (cluster: number, k: number): string => {
    const id = clusters[cluster]?.[k];
    if (id !== undefined) return id;
    throw new InvalidArgumentError(
      "cluster",
      cluster,
      `there is no member ${k} of cluster ${cluster}, of ${clusters.length} clusters`,
    );
  };
  return {
    length: clusters.length,
    size: (cluster) => clusters[cluster]?.length ?? 0,
    memberId,
    memberSequence: (cluster, k) => lookup.sequence(memberId(cluster, k)),
  };
}

interface Lookup {
  has(id: string): boolean;
  /** Of a name that is there. */
  sequence(id: string): Uint8Array;
}

function fromSource(source: ProteinSource): Lookup {
  return {
    has: (id) => source.indexOf(id) >= 0,
    sequence: (id) => source.sequence(source.indexOf(id)),
  };
}

function fromNamed(proteins: NamedSequences): Lookup {
  const sequences = new Map<string, Uint8Array>();
  for (const [id, sequence] of proteins instanceof Map ? proteins : Object.entries(proteins)) {
    sequences.set(id, typeof sequence === "string" ? asciiBytes(id, sequence) : sequence);
  }
  return {
    has: (id) => sequences.has(id),
    sequence: (id) => (sequences.get(id) ?? new Uint8Array()).slice(),
  };
}

function asciiBytes(id: string, residues: string): Uint8Array {
  const at = residues.search(/[^\0-\x7f]/);
  if (at < 0) return Buffer.from(residues, "latin1");
  throw new InvalidArgumentError(
    "proteins",
    residues,
    `protein ${JSON.stringify(id)} has ${JSON.stringify(residues[at])} at ${at}, expected residues in ASCII`,
  );
}

function isSource(proteins: NamedSequences | ProteinSource): proteins is ProteinSource {
  return typeof proteins["indexOf" as keyof typeof proteins] === "function";
}

function missing(cluster: number, id: string): NotFoundError {
  return new NotFoundError(
    "no-such-protein",
    `cluster ${cluster} names ${JSON.stringify(id)}, which is no protein`,
    { what: id, suggestions: ["use the proteins that the clusters were made of"] },
  );
}
