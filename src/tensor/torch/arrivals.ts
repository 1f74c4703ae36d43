import { Late } from "../request-thread.ts";
import type { DeviceQueue, Mark } from "./device-queue.ts";

/** Looked for at every turn of the thread's loop for this long, then once a millisecond. */
const SPIN_MS = 5;

interface Arrival {
  readonly mark: Mark;
  readonly arrived: () => void;
  readonly failed: (error: unknown) => void;
}

/** Values that the device has yet to compute; they come in the order in which they were asked for. */
export class Arrivals {
  readonly #queue: DeviceQueue;
  readonly #pending: Arrival[] = [];
  #isWatched = false;

  constructor(queue: DeviceQueue) {
    this.#queue = queue;
  }

  /** What `read` gives when the device has done all that was asked for until now. */
  after<T>(read: () => T): T | Late<T> {
    const mark = this.#queue.mark();
    if (this.#pending.length === 0 && hasCome(mark)) return read();
    const answer = new Promise<T>((resolve, failed) => {
      this.#pending.push({ mark, arrived: () => resolve(read()), failed });
    });
    if (!this.#isWatched) this.#watch(performance.now());
    return new Late(answer);
  }

  /** Gives out what has come since. */
  look(): void {
    for (let first = this.#pending[0]; first !== undefined; first = this.#pending[0]) {
      try {
        if (!hasCome(first.mark)) return;
        first.arrived();
      } catch (error) {
        first.failed(error);
      }
      this.#pending.shift();
    }
  }

  #watch(since: number): void {
    this.#isWatched = this.#pending.length > 0;
    if (!this.#isWatched) return;
    const again = () => {
      const before = this.#pending.length;
      this.look();
      this.#watch(this.#pending.length < before ? performance.now() : since);
    };
    if (performance.now() - since < SPIN_MS) setImmediate(again);
    else setTimeout(again, 1);
  }
}

/** @throws ScdlError when the device has failed; the mark is released then, too */
function hasCome(mark: Mark): boolean {
  let isOver = true;
  try {
    isOver = mark.isDone();
    return isOver;
  } finally {
    if (isOver) mark.release();
  }
}
