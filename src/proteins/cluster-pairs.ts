import { SpillableBytes } from "../../formats/bytes/spillable-bytes.ts";
import { FormatError } from "../../formats/common/errors.ts";
import { hashName } from "../../formats/protein-store/name-hash.ts";
import { NameIndexBuilder } from "../../formats/protein-store/name-index-builder.ts";
import { MEMBERS_PER_BLOCK, type NamedCluster } from "./named-cluster.ts";

/** A member and its cluster. */
export interface Pair {
  readonly cluster: string;
  readonly member: string;
  /** "line 12": where it stands. */
  readonly place: string;
}

/** Names of clusters kept in memory; more go to a temporary file. */
const NAME_BYTES = 64 << 20;

/**
 * Pairs that follow one another with one cluster, as clusters.
 *
 * @throws FormatError "cluster-split" at the end, for a cluster whose pairs are not together
 */
export async function* clustersOfPairs(
  path: string,
  pairs: AsyncIterable<readonly Pair[]>,
): AsyncGenerator<readonly NamedCluster[]> {
  using seen = new SeenNames(path);
  let id: string | null = null;
  let members: string[] = [];
  let clusters: NamedCluster[] = [];
  let count = 0;
  for await (const block of pairs) {
    for (const { cluster, member, place } of block) {
      if (cluster === "" || member === "") {
        throw new FormatError("null-value", `${place}: expected a cluster and a member`, { path });
      }
      if (cluster !== id) {
        if (id !== null) clusters.push({ id, members });
        id = cluster;
        members = [];
        seen.add(cluster);
      }
      members.push(member);
      count++;
    }
    if (count >= MEMBERS_PER_BLOCK) {
      yield clusters;
      clusters = [];
      count = members.length;
    }
  }
  if (id !== null) clusters.push({ id, members });
  yield clusters;
  await seen.check();
}

/** Finds a name that comes twice, in bounded memory, once all are known. */
class SeenNames implements Disposable {
  readonly #path: string;
  readonly #builder = new NameIndexBuilder();
  readonly #texts = new SpillableBytes({ memoryBytes: NAME_BYTES });
  /** float64: where name i begins. */
  readonly #begins = new SpillableBytes({ memoryBytes: NAME_BYTES });
  #pending: number[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  add(name: string): void {
    const bytes = Buffer.from(name);
    this.#pending.push(this.#texts.byteLength);
    this.#texts.append(bytes);
    this.#builder.add(hashName(bytes, 0, bytes.byteLength));
    if (this.#pending.length === 4096) this.#flush();
  }

  /** @throws FormatError for a name that was added twice */
  async check(): Promise<void> {
    this.#pending.push(this.#texts.byteLength);
    this.#flush();
    const isSame = (a: number, b: number) => this.#name(a) === this.#name(b);
    const onDuplicate = (a: number): never => {
      throw new FormatError(
        "cluster-split",
        `the members of cluster ${JSON.stringify(this.#name(a))} do not follow one another`,
        { path: this.#path, suggestions: ["sort the table by its first column"] },
      );
    };
    await this.#builder.build({ write: () => {} }, isSame, onDuplicate, () => {});
  }

  [Symbol.dispose](): void {
    this.#builder[Symbol.dispose]();
    this.#texts[Symbol.dispose]();
    this.#begins[Symbol.dispose]();
  }

  #flush(): void {
    this.#begins.append(new Uint8Array(Float64Array.from(this.#pending).buffer));
    this.#pending = [];
  }

  #name(i: number): string {
    const pair = new Float64Array(2);
    this.#begins.readInto(8 * i, new Uint8Array(pair.buffer));
    const [begin = 0, end = 0] = pair;
    const text = Buffer.alloc(end - begin);
    this.#texts.readInto(begin, text);
    return text.toString();
  }
}
