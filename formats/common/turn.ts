import { setImmediate } from "node:timers/promises";

const TURN_MS = 40;
const CALLS_PER_LOOK = 64;

/** Lets other code run now and then during long synchronous work: signals, timers, Ctrl-C. */
export class Turn {
  #calls = 0;
  #sinceMs = performance.now();

  /** The same where a step is no shorter than asking the clock: a batch, a sample. */
  get isOver(): boolean {
    return performance.now() - this.#sinceMs > TURN_MS;
  }

  /** Whether it is time to wait for {@link pass}; cheap enough for every record. */
  get isDue(): boolean {
    return ++this.#calls % CALLS_PER_LOOK === 0 && this.isOver;
  }

  /** Gives a turn when 40 ms have passed. @throws the signal's reason */
  async pass(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (!this.isOver) return;
    await setImmediate();
    this.#sinceMs = performance.now();
    signal?.throwIfAborted();
  }
}

/** For loops that are short each and follow one another: epochs of few batches. */
export const sharedTurn = new Turn();
