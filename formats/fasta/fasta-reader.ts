/** Records of FASTA and FASTQ files of any size, one after another, in bounded memory. */
import { type ByteStream, ChunkStream, FileStream } from "../bytes/byte-stream.ts";
import { compressionOf, decompressed, fileChunks, MAGIC_BYTES, peek } from "../bytes/decompress.ts";
import { FormatError, InvalidArgumentError } from "../common/errors.ts";
import {
  END_OF_FILE,
  type FastaFormat,
  NEEDS_MORE,
  PARSED,
  RecordParser,
} from "./record-parser.ts";
import { wordsOf } from "./residues.ts";

const WINDOW_BYTES = 2 ** 20;
/** Offsets in a window are 31-bit numbers. */
const MAX_WINDOW_BYTES = 2 ** 31 - WINDOW_BYTES;

export interface FastaReaderOptions {
  /** Longest record, line feeds included; default 1 GiB, at most 2 GiB - 1 MiB. */
  readonly maxRecordBytes?: number;
  /** Ends the reading with its reason. */
  readonly signal?: AbortSignal;
}

/** A record in memory of its own. */
export interface FastaRecord {
  /** The header up to the first white space. */
  readonly name: string;
  /** What follows in the header, or "". */
  readonly description: string;
  /** As in the file, in one piece: case, `*`, `-` and `.` are kept, white space is not. */
  readonly sequence: Uint8Array<ArrayBuffer>;
  /** One byte a residue, `!` for 0, in FASTQ; null in FASTA. */
  readonly qualities: Uint8Array<ArrayBuffer> | null;
}

/**
 * Reads plain, gzip, bgzip and zstd files, told apart by their first bytes.
 *
 * ```ts
 * for await (const { name, sequence } of await FastaReader.open("uniref.fasta.gz")) use(name, sequence);
 * ```
 * Faster, without memory for each record:
 *
 * ```ts
 * using reader = await FastaReader.open("uniref.fasta");
 * for (;;) {
 *   const more = reader.next(); // waits only where the bytes must be waited for
 *   if (!(typeof more === "boolean" ? more : await more)) break;
 *   use(reader.sequence); // a view, valid until next()
 * }
 * ```
 * Blank lines, CR LF and a missing last line feed are fine; a record may be empty; an empty file has
 * no records. Memory: 1 MiB, or the longest record. Errors are FormatErrors that name the path, the
 * record, the line and the byte, both of the text, that is of what a compressed file holds.
 */
export class FastaReader implements Disposable {
  readonly path: string;
  readonly #stream: ByteStream;
  readonly #parser: RecordParser;
  readonly #maxRecordBytes: number;
  readonly #signal: AbortSignal | undefined;
  #window: Uint8Array<ArrayBuffer> = new Uint8Array(WINDOW_BYTES);
  #words: Int32Array = wordsOf(this.#window);
  #limit = 0;
  #isLast = false;

  private constructor(stream: ByteStream, options: FastaReaderOptions) {
    this.path = stream.path;
    this.#stream = stream;
    this.#parser = new RecordParser(stream.path);
    this.#maxRecordBytes = options.maxRecordBytes ?? 2 ** 30;
    this.#signal = options.signal;
    const max = this.#maxRecordBytes;
    if (!Number.isInteger(max) || max < 1 || max > MAX_WINDOW_BYTES) {
      stream.close();
      throw new InvalidArgumentError(
        "maxRecordBytes",
        max,
        `maxRecordBytes: expected a whole number from 1 to ${MAX_WINDOW_BYTES}, got ${max}`,
      );
    }
  }

  /** @throws NotFoundError, StorageError, UnsupportedFeatureError for bzip2 and xz */
  static async open(path: string, options: FastaReaderOptions = {}): Promise<FastaReader> {
    const file = FileStream.open(path);
    const head = new Uint8Array(MAGIC_BYTES);
    try {
      await file.read(head);
    } finally {
      file.close();
    }
    const compression = compressionOf(head, path);
    const stream =
      compression === null
        ? FileStream.open(path)
        : new ChunkStream(decompressed(fileChunks(path), compression, path), path);
    return new FastaReader(stream, options);
  }

  /** Of bytes that come from elsewhere. @param path names them in errors. */
  static async from(
    chunks: AsyncIterable<Uint8Array>,
    path: string,
    options: FastaReaderOptions = {},
  ): Promise<FastaReader> {
    const [head, all] = await peek(generatorOf(chunks));
    const compression = compressionOf(head, path);
    const text = compression === null ? all : decompressed(all, compression, path);
    return new FastaReader(new ChunkStream(text, path), options);
  }

  /** Known with the first record. */
  get format(): FastaFormat | null {
    return this.#parser.format;
  }
  /** The header up to the first white space. */
  get name(): string {
    const { nameBegin, nameEnd } = this.#parser.header;
    return this.#text(nameBegin, nameEnd);
  }
  get description(): string {
    const { descriptionBegin, descriptionEnd } = this.#parser.header;
    return this.#text(descriptionBegin, descriptionEnd);
  }
  /** Line of the record's header, from 1. */
  get line(): number {
    return this.#parser.line;
  }
  /** Byte of the text at which the record begins. */
  get offset(): number {
    return this.#parser.offset;
  }
  /** Residues of the record. */
  get length(): number {
    return this.#parser.sequenceEnd - this.#parser.sequenceBegin;
  }
  /** A view that the next call of {@link next} overwrites. */
  get sequence(): Uint8Array<ArrayBuffer> {
    return this.#window.subarray(this.#parser.sequenceBegin, this.#parser.sequenceEnd);
  }
  /** As {@link sequence}; null in FASTA. */
  get qualities(): Uint8Array<ArrayBuffer> | null {
    const { qualitiesBegin, qualitiesEnd } = this.#parser;
    return this.format === "fastq" ? this.#window.subarray(qualitiesBegin, qualitiesEnd) : null;
  }

  /** Moves to the next record; false at the end. @throws FormatError */
  next(): boolean | Promise<boolean> {
    const found = this.#parse();
    return found === NEEDS_MORE ? this.#fillAndParse() : found === PARSED;
  }

  /** The record in memory of its own. */
  copyRecord(): FastaRecord {
    return {
      name: this.name,
      description: this.description,
      sequence: this.sequence.slice(),
      qualities: this.qualities?.slice() ?? null,
    };
  }

  /** The records that are left; closes at the end. */
  async *[Symbol.asyncIterator](): AsyncGenerator<FastaRecord, void, undefined> {
    try {
      for (;;) {
        const more = this.next();
        if (!(typeof more === "boolean" ? more : await more)) return;
        yield this.copyRecord();
      }
    } finally {
      this.close();
    }
  }

  /** Idempotent. */
  close(): void {
    this.#isLast = true;
    this.#limit = 0;
    this.#stream.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #text(begin: number, end: number): string {
    return Buffer.from(this.#window.buffer, begin, end - begin).toString();
  }

  #parse(): number {
    const found = this.#parser.parse(this.#window, this.#words, this.#limit, this.#isLast);
    if (found === END_OF_FILE) this.close();
    return found;
  }

  #fillAndParse(): boolean | Promise<boolean> {
    for (;;) {
      const got = this.#readMore();
      if (typeof got !== "number") return this.#fillLater(got);
      const found = this.#accept(got);
      if (found !== NEEDS_MORE) return found === PARSED;
    }
  }

  async #fillLater(first: Promise<number>): Promise<boolean> {
    const found = this.#accept(await first);
    return found === NEEDS_MORE ? await this.#fillAndParse() : found === PARSED;
  }

  #accept(got: number): number {
    if (got === 0) this.#isLast = true;
    this.#limit += got;
    return this.#parse();
  }

  #readMore(): number | Promise<number> {
    this.#signal?.throwIfAborted();
    const parser = this.#parser;
    const { keepFrom } = parser;
    if (keepFrom > 0) {
      this.#window.copyWithin(0, keepFrom, this.#limit);
      this.#limit -= keepFrom;
      parser.rebase(keepFrom);
    }
    if (this.#limit > this.#maxRecordBytes) throw this.#tooLong();
    if (this.#limit === this.#window.length) {
      const larger = new Uint8Array(Math.min(2 * this.#window.length, MAX_WINDOW_BYTES));
      larger.set(this.#window);
      this.#window = larger;
      this.#words = wordsOf(larger);
    }
    return this.#stream.read(this.#window.subarray(this.#limit));
  }

  #tooLong(): FormatError {
    const name = JSON.stringify(this.#parser.nameIn(this.#window));
    return new FormatError(
      "record-too-long",
      `record ${name}, line ${this.line}: expected at most ${this.#maxRecordBytes} bytes, found more`,
      {
        path: this.path,
        offset: this.offset,
        suggestions: [
          "raise maxRecordBytes",
          "read parts of it at random places instead (an indexed file)",
        ],
      },
    );
  }
}

async function* generatorOf<T>(chunks: AsyncIterable<T>): AsyncGenerator<T> {
  yield* chunks;
}
