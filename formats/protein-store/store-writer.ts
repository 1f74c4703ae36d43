import { rmSync } from "node:fs";
import { join } from "node:path";
import { MappedSource } from "../bytes/mapped-source.ts";
import { BufferedOutput } from "../common/buffered-output.ts";
import {
  IncompatibleError,
  InvalidArgumentError,
  ScdlError,
  UnsupportedFeatureError,
} from "../common/errors.ts";
import { type FileDigest, writeSmallFile } from "../common/output-file.ts";
import { Turn } from "../common/turn.ts";
import {
  checkOutput,
  createTemporary,
  outputTarget,
  replaceDirectory,
  sweepLeftovers,
} from "../scdl/directory-swap.ts";
import {
  encodeStoreHeader,
  MAX_PROTEINS,
  type NameIndexShape,
  STORE_FILES,
  STORE_HEADER,
  STORE_NAMES,
  type StoreFile,
} from "./layout.ts";
import { hashAscii, hashName } from "./name-hash.ts";
import { NameIndex } from "./name-index.ts";
import { NameIndexBuilder } from "./name-index-builder.ts";
import { RaggedBytes } from "./ragged-bytes.ts";

export interface ProteinStoreWriterOptions {
  /** Replace an existing store. Default false. */
  readonly overwrite?: boolean;
}

export interface EndProteinsOptions {
  readonly signal?: AbortSignal;
  /** Names in the index so far. */
  readonly onProgress?: (names: number) => void;
}

/**
 * Writes a protein store beside `output` and renames it there: proteins first, then, if any, clusters.
 *
 * Memory is a few buffers and what NameIndexBuilder takes, however many proteins there are.
 */
export class ProteinStoreWriter {
  readonly #output: string;
  readonly #directory: string;
  readonly #overwrite: boolean;
  readonly #open = new Map<StoreFile, BufferedOutput>();
  readonly #digests = new Map<StoreFile, FileDigest>();
  readonly #records: BufferedOutput;
  readonly #offsets: BufferedOutput;
  readonly #builder: NameIndexBuilder;
  readonly #turn = new Turn();
  #proteins = 0;
  #sequenceBytes = 0;
  #shape: NameIndexShape | undefined;
  #lookup: { readonly index: NameIndex; close(): void } | undefined;
  #clusters = 0;
  #isDone = false;

  /** @throws StorageError when `output` exists and may not be replaced */
  constructor(output: string, options: ProteinStoreWriterOptions = {}) {
    this.#output = output;
    this.#overwrite = options.overwrite ?? false;
    checkOutput(output, this.#overwrite, STORE_NAMES);
    sweepLeftovers(output, () => {});
    this.#directory = createTemporary(output);
    try {
      this.#records = this.#create(STORE_FILES.records);
      this.#offsets = this.#create(STORE_FILES.recordOffsets);
      this.#offsets.writeUint64(0);
      this.#builder = new NameIndexBuilder(this.#directory);
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  /** Proteins added. */
  get proteins(): number {
    return this.#proteins;
  }

  /** Clusters added. */
  get clusters(): number {
    return this.#clusters;
  }

  /** Appends a protein; its row is the count before. */
  add(name: string, sequence: Uint8Array): void {
    if (this.#shape !== undefined || this.#isDone) throw this.#closed();
    if (this.#proteins === MAX_PROTEINS) {
      throw new UnsupportedFeatureError("store size", `a store holds ${MAX_PROTEINS} proteins`);
    }
    const hash = hashAscii(name);
    if (hash >= 0) {
      this.#records.writeAscii(name);
      this.#builder.add(hash);
    } else {
      const bytes = Buffer.from(name);
      this.#records.write(bytes);
      this.#builder.add(hashName(bytes, 0, bytes.byteLength));
    }
    this.#offsets.writeUint64(this.#records.position);
    this.#records.write(sequence);
    this.#offsets.writeUint64(this.#records.position);
    this.#sequenceBytes += sequence.byteLength;
    this.#proteins++;
  }

  /**
   * Ends the proteins and builds the index of their names.
   *
   * @throws IncompatibleError "duplicate-protein" for a name that two have
   */
  async endProteins(options: EndProteinsOptions = {}): Promise<void> {
    const { signal, onProgress } = options;
    if (this.#shape !== undefined || this.#isDone) throw this.#closed();
    for (const name of [...this.#open.keys()]) this.#finish(name);
    const records = this.#openRecords();
    try {
      const output = this.#create(STORE_FILES.nameIndex);
      const isSame = (row: number, other: number) => sameNames(records.ragged, row, other);
      const onDuplicate = (row: number, other: number): never => {
        const name = Buffer.from(records.ragged.copy(2 * row)).toString();
        throw new IncompatibleError(
          "duplicate-protein",
          `rows ${row} and ${other} (from 0) are both named ${JSON.stringify(name)}`,
          { suggestions: ["give every protein a name of its own"] },
        );
      };
      this.#shape = await this.#builder.build(output, isSame, onDuplicate, async (done) => {
        onProgress?.(done);
        await this.#turn.pass(signal);
      });
      this.#finish(STORE_FILES.nameIndex);
    } finally {
      records.close();
      this.#builder[Symbol.dispose]();
    }
  }

  /** The row of a name, or -1. After {@link endProteins}. */
  indexOf(name: string): number {
    this.#lookup ??= this.#openLookup();
    return this.#lookup.index.find(name);
  }

  /** Appends a cluster of these rows. After {@link endProteins}. */
  addCluster(rows: Uint32Array): void {
    if (this.#shape === undefined || this.#isDone) throw this.#closed();
    for (const row of rows) {
      if (row < this.#proteins) continue;
      throw new InvalidArgumentError(
        "rows",
        row,
        `cluster ${this.#clusters} names row ${row}, there are ${this.#proteins} proteins`,
      );
    }
    const offsets = this.#clusterFile(STORE_FILES.clusterOffsets);
    const members = this.#clusterFile(STORE_FILES.clusterMembers);
    members.write(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
    offsets.writeUint64(members.position / 4);
    this.#clusters++;
  }

  /** Makes the store one with clusters, also when none is added. */
  beginClusters(): void {
    if (this.#shape === undefined || this.#isDone) throw this.#closed();
    this.#clusterFile(STORE_FILES.clusterMembers);
    this.#clusterFile(STORE_FILES.clusterOffsets);
  }

  /** Writes the header and puts the store in its place. */
  async finish(): Promise<void> {
    try {
      if (this.#shape === undefined) await this.endProteins();
      for (const name of [...this.#open.keys()]) this.#finish(name);
      const bytesOf = (name: StoreFile) => this.#digests.get(name)?.bytes ?? 0;
      const hasClusters = this.#digests.has(STORE_FILES.clusterOffsets);
      const header = encodeStoreHeader({
        proteins: this.#proteins,
        sequenceBytes: this.#sequenceBytes,
        nameBytes: bytesOf(STORE_FILES.records) - this.#sequenceBytes,
        nameIndex: this.#shape as NameIndexShape, // set by endProteins
        clusters: hasClusters
          ? { clusters: this.#clusters, members: bytesOf(STORE_FILES.clusterMembers) / 4 }
          : null,
        files: this.#digests,
      });
      this.#lookup?.close();
      this.#isDone = true;
      writeSmallFile(join(this.#directory, STORE_HEADER), header);
      checkOutput(this.#output, this.#overwrite, STORE_NAMES);
      replaceDirectory(this.#directory, outputTarget(this.#output));
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  /** Removes what was written. Does nothing after {@link finish}. */
  abort(): void {
    this.#isDone = true;
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
    this.#lookup?.close();
    // The constructor may fail before it is set.
    this.#builder?.[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #create(name: StoreFile): BufferedOutput {
    const file = BufferedOutput.create(join(this.#directory, name));
    this.#open.set(name, file);
    return file;
  }

  #clusterFile(name: StoreFile): BufferedOutput {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const file = this.#create(name);
    if (name === STORE_FILES.clusterOffsets) file.writeUint64(0);
    return file;
  }

  #finish(name: StoreFile): void {
    const digest = this.#open.get(name)?.finish();
    this.#open.delete(name);
    if (digest !== undefined) this.#digests.set(name, digest);
  }

  #openRecords(): { readonly ragged: RaggedBytes; close(): void } {
    const bytes = MappedSource.open(join(this.#directory, STORE_FILES.records));
    const offsets = MappedSource.open(join(this.#directory, STORE_FILES.recordOffsets));
    const close = () => {
      bytes.close();
      offsets.close();
    };
    return { ragged: new RaggedBytes(bytes, offsets), close };
  }

  #openLookup(): { readonly index: NameIndex; close(): void } {
    if (this.#shape === undefined) throw this.#closed();
    const records = this.#openRecords();
    const slots = MappedSource.open(join(this.#directory, STORE_FILES.nameIndex));
    const close = () => {
      records.close();
      slots.close();
    };
    return { index: new NameIndex(slots, this.#shape, records.ragged), close };
  }

  #closed(): ScdlError {
    return new ScdlError(
      "closed",
      `${this.#output}: proteins come first, then clusters, then the end`,
    );
  }
}

function sameNames(records: RaggedBytes, row: number, other: number): boolean {
  return Buffer.compare(records.copy(2 * row), records.copy(2 * other)) === 0;
}
