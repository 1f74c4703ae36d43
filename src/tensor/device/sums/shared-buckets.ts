import type { GradientBucket } from "./layout.ts";

const STARTED = 0;
const DONE = 1;
const STATE = 2;
const ENDED = 1;

/** What both threads are given. */
export interface SharedBucketMemory {
  readonly control: Int32Array;
  /** One array for each bucket. */
  readonly floats: readonly Float32Array[];
}

/**
 * Buckets of gradients in memory that two threads share. That of the device fills one after another and
 * says so; the other one, which has the communicator, adds them up over the ranks meanwhile, in place.
 */
export class SharedBuckets {
  readonly memory: SharedBucketMemory;

  constructor(memory: SharedBucketMemory) {
    this.memory = memory;
  }

  static allocate(buckets: readonly GradientBucket[]): SharedBuckets {
    const bytes = Float32Array.BYTES_PER_ELEMENT;
    return new SharedBuckets({
      control: new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT)),
      floats: buckets.map(({ length }) => new Float32Array(new SharedArrayBuffer(length * bytes))),
    });
  }

  /** Before a step. */
  reset(): void {
    const { control } = this.memory;
    Atomics.store(control, STARTED, 0);
    Atomics.store(control, DONE, 0);
  }

  /** Nobody is to wait any longer. */
  end(): void {
    const { control } = this.memory;
    Atomics.store(control, STATE, ENDED);
    Atomics.notify(control, STARTED);
    Atomics.notify(control, DONE);
  }

  /** The next bucket is filled. */
  started(): void {
    this.#advance(STARTED);
  }

  /** The next bucket has the sums. */
  done(): void {
    this.#advance(DONE);
  }

  /** Resolves when bucket `index` is filled; false when it never will be. */
  async whenStarted(index: number): Promise<boolean> {
    const { control } = this.memory;
    for (;;) {
      const seen = Atomics.load(control, STARTED);
      if (this.#isEnded) return false;
      if (seen > index) return true;
      const { async: isLater, value } = Atomics.waitAsync(control, STARTED, seen);
      if (isLater) await value;
    }
  }

  /** Blocks until all buckets have the sums; false when they never will. */
  waitUntilDone(): boolean {
    const { control, floats } = this.memory;
    for (;;) {
      const seen = Atomics.load(control, DONE);
      if (seen >= floats.length) return true;
      if (this.#isEnded) return false;
      Atomics.wait(control, DONE, seen);
    }
  }

  get #isEnded(): boolean {
    return Atomics.load(this.memory.control, STATE) === ENDED;
  }

  #advance(which: number): void {
    Atomics.add(this.memory.control, which, 1);
    Atomics.notify(this.memory.control, which);
  }
}
