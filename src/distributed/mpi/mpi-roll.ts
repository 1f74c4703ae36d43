/** A small message between two ranks, beside all operations. */
export interface MpiNote {
  readonly rank: number;
  /** {@link CALL}, or the operations that the rank has begun. */
  readonly number: number;
}

/** How notes come and go; nothing waits. */
export interface MpiNotes {
  send(rank: number, number: number): void;
  /** The next one that has come. */
  receive(): MpiNote | null;
}

/** Where are you? */
const CALL = -1;
const LOOK_MS = 250;
/** A process that does not answer for so long is stopped, or stuck in one function. */
const ANSWER_MS = 1500;

/** Finds out which rank an operation waits for: all look for questions now and then, and answer. */
export class MpiRoll {
  readonly #notes: MpiNotes;
  readonly #others: readonly number[];
  readonly #operations: () => number;
  readonly #answers = new Map<number, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(notes: MpiNotes, others: readonly number[], operations: () => number) {
    this.#notes = notes;
    this.#others = others;
    this.#operations = operations;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Operations that each other rank has begun; null for one that does not answer. */
  async call(): Promise<ReadonlyMap<number, number | null>> {
    this.#answers.clear();
    for (const rank of this.#others) this.#notes.send(rank, CALL);
    const since = performance.now();
    while (this.#answers.size < this.#others.length && performance.now() - since < ANSWER_MS) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      this.#look();
    }
    return new Map(this.#others.map((rank) => [rank, this.#answers.get(rank) ?? null]));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (let note = this.#notes.receive(); note !== null; note = this.#notes.receive()) {
      if (note.number === CALL) this.#notes.send(note.rank, this.#operations());
      else this.#answers.set(note.rank, note.number);
    }
  }
}
