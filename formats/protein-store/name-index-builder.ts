import { SpillFile } from "../bytes/spill-file.ts";
import type { NameIndexShape } from "./layout.ts";
import { homeOf } from "./name-hash.ts";
import { EMPTY } from "./name-index.ts";
import { sortByHash } from "./sort-by-hash.ts";

/** Hashes are divided by their highest 8 bits; a part is sorted in memory. */
const PARTS = 256;
const PART_SHIFT = 24;
/** Pairs of a part that are gathered before they are written: 4 MiB for all parts. */
const BLOCK_PAIRS = 2048;
const BLOCK_BYTES = 8 * BLOCK_PAIRS;
/** A third of the homes stays empty, so that a search takes 1.5 slots. */
const HOMES_PER_NAME = 4 / 3;

export interface IndexOutput {
  write(bytes: Uint8Array): void;
}

/**
 * Builds a {@link NameIndex} from the hashes of names in the order of their rows. The pairs of hash
 * and row go to a temporary file, part by part, so that memory is 4 MiB and one part: at 187 million
 * names 20 MiB more.
 */
export class NameIndexBuilder implements Disposable {
  readonly #directory: string | undefined;
  readonly #pending = new Uint32Array(2 * PARTS * BLOCK_PAIRS);
  readonly #counts = new Int32Array(PARTS);
  /** Numbers of the blocks of a part in the temporary file. */
  readonly #blocks: number[][] = Array.from({ length: PARTS }, () => []);
  #file: SpillFile | null = null;
  #written = 0;
  #length = 0;

  /** `directory` is where the temporary file is made, once there are many names. */
  constructor(directory?: string) {
    this.#directory = directory;
  }

  /** The hash of the next row's name. */
  add(hash: number): void {
    const part = hash >>> PART_SHIFT;
    const count = this.#counts[part] as number;
    const at = 2 * (part * BLOCK_PAIRS + count);
    this.#pending[at] = hash;
    this.#pending[at + 1] = this.#length++;
    this.#counts[part] = count + 1;
    if (count + 1 === BLOCK_PAIRS) this.#flush(part);
  }

  /**
   * Writes the slots. `isSame` compares the names of two rows and is asked for rows of one hash;
   * `onDuplicate` throws. After each part `onPart` hears of the names written, and may wait or throw.
   */
  async build(
    output: IndexOutput,
    isSame: (row: number, other: number) => boolean,
    onDuplicate: (row: number, other: number) => never,
    onPart: (names: number) => void | Promise<void>,
  ): Promise<NameIndexShape> {
    const homes = Math.max(1, Math.ceil(this.#length * HOMES_PER_NAME));
    const slots = new SlotWriter(output, homes);
    let names = 0;
    for (let part = 0; part < PARTS; part++) {
      const { hashes, rows } = sortByHash(this.#pairsOf(part));
      for (let i = 0; i < rows.length; i++) {
        const hash = hashes[i] as number;
        const row = rows[i] as number;
        for (let k = i - 1; k >= 0 && hashes[k] === hash; k--) {
          if (isSame(rows[k] as number, row)) onDuplicate(rows[k] as number, row);
        }
        slots.put(hash, row);
      }
      names += rows.length;
      await onPart(names);
    }
    return slots.finish();
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    this.#file = null;
  }

  #flush(part: number): void {
    this.#file ??= new SpillFile(this.#directory);
    const begin = 2 * part * BLOCK_PAIRS;
    const block = this.#pending.subarray(begin, begin + 2 * BLOCK_PAIRS);
    this.#file.write(
      this.#written * BLOCK_BYTES,
      new Uint8Array(block.buffer, block.byteOffset, block.byteLength),
    );
    this.#blocks[part]?.push(this.#written++);
    this.#counts[part] = 0;
  }

  /** (hash, row) after (hash, row), rows ascending. */
  #pairsOf(part: number): Uint32Array {
    const blocks = this.#blocks[part] ?? [];
    const pending = 2 * (this.#counts[part] as number);
    const pairs = new Uint32Array(2 * BLOCK_PAIRS * blocks.length + pending);
    blocks.forEach((block, i) => {
      const target = new Uint8Array(pairs.buffer, i * BLOCK_BYTES, BLOCK_BYTES);
      this.#file?.readInto(block * BLOCK_BYTES, target);
    });
    const begin = 2 * part * BLOCK_PAIRS;
    pairs.set(this.#pending.subarray(begin, begin + pending), pairs.length - pending);
    return pairs;
  }
}

/** Slots one after another, empty ones between them. */
class SlotWriter {
  readonly #output: IndexOutput;
  readonly #homes: number;
  readonly #buffer = new Uint32Array(1 << 17);
  #at = 0;
  #next = 0;
  #longestProbe = 0;

  constructor(output: IndexOutput, homes: number) {
    this.#output = output;
    this.#homes = homes;
  }

  put(hash: number, row: number): void {
    const home = homeOf(hash, this.#homes);
    while (this.#next < home) this.#slot(0, EMPTY);
    this.#longestProbe = Math.max(this.#longestProbe, this.#next - home);
    this.#slot(hash, row);
  }

  finish(): NameIndexShape {
    while (this.#next < this.#homes) this.#slot(0, EMPTY);
    this.#flush();
    return { homes: this.#homes, slots: this.#next, longestProbe: this.#longestProbe };
  }

  #slot(hash: number, row: number): void {
    this.#buffer[this.#at] = hash;
    this.#buffer[this.#at + 1] = row;
    this.#at += 2;
    this.#next++;
    if (this.#at === this.#buffer.length) this.#flush();
  }

  #flush(): void {
    this.#output.write(new Uint8Array(this.#buffer.buffer, 0, 4 * this.#at));
    this.#at = 0;
  }
}
