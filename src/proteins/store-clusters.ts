import type { ByteSource } from "../../formats/bytes/byte-source.ts";
import type { CheckGate } from "../../formats/bytes/check-gate.ts";
import { FormatError, InvalidArgumentError } from "../../formats/common/errors.ts";
import type { RaggedBytes } from "../../formats/protein-store/ragged-bytes.ts";
import type { ClusteredProteins, ProteinSource } from "./protein-source.ts";

const ROW_BYTES = 4;

/** The clusters of a store: members are rows, so that no name is looked up. */
export class StoreClusters implements ClusteredProteins {
  readonly length: number;
  readonly #proteins: ProteinSource;
  readonly #gate: CheckGate;
  readonly #ranges: RaggedBytes;
  readonly #members: ByteSource;
  readonly #row = new Uint32Array(1);
  readonly #rowBytes = new Uint8Array(this.#row.buffer);
  #view: Uint32Array | null | undefined;

  /** @internal */
  constructor(proteins: ProteinSource, gate: CheckGate, ranges: RaggedBytes, members: ByteSource) {
    this.#proteins = proteins;
    this.#gate = gate;
    this.#ranges = ranges;
    this.#members = members;
    this.length = ranges.length;
  }

  /** Members of a cluster. @throws InvalidArgumentError no such cluster */
  size(cluster: number): number {
    this.#seek(cluster);
    return this.#ranges.end - this.#ranges.begin;
  }

  /** The row of member k. @throws InvalidArgumentError, FormatError */
  memberRow(cluster: number, k: number): number {
    this.#seek(cluster);
    const { begin, end } = this.#ranges;
    if (!(Number.isInteger(k) && k >= 0 && k < end - begin)) {
      throw new InvalidArgumentError(
        "k",
        k,
        `cluster ${cluster} has ${end - begin} members, found member ${k}`,
      );
    }
    const row = this.#rowAt(begin + k);
    if (row < this.#proteins.length) return row;
    throw new FormatError(
      "bad-cluster",
      `cluster ${cluster} names row ${row}, expected one of ${this.#proteins.length} proteins`,
      {
        path: this.#members.path,
        offset: ROW_BYTES * (begin + k),
        suggestions: ["build the store again: the file is damaged"],
      },
    );
  }

  memberId(cluster: number, k: number): string {
    return this.#proteins.id(this.memberRow(cluster, k));
  }

  memberSequence(cluster: number, k: number): Uint8Array {
    return this.#proteins.sequence(this.memberRow(cluster, k));
  }

  #seek(cluster: number): void {
    this.#gate.pass();
    if (!(Number.isInteger(cluster) && cluster >= 0 && cluster < this.length)) {
      throw new InvalidArgumentError(
        "cluster",
        cluster,
        `expected a cluster of 0 to ${this.length - 1}, found ${cluster}`,
      );
    }
    this.#ranges.seek(cluster);
  }

  #rowAt(member: number): number {
    if (this.#view === undefined) {
      const { bytes } = this.#members;
      this.#view =
        bytes === null
          ? null
          : new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / ROW_BYTES);
    }
    if (this.#view !== null) return this.#view[member] as number;
    this.#members.readInto(ROW_BYTES * member, this.#rowBytes);
    return this.#row[0] as number;
  }
}
