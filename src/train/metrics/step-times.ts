/** Where the time of training steps goes, in milliseconds. */
export interface StepTimes {
  /** Opening data, weights and a checkpoint to go on from. */
  readonly setup: number;
  /** Waiting for a batch of the data module. */
  readonly data: number;
  /** Batches as inputs of programs, and sums. */
  readonly host: number;
  /** Building and compiling programs. */
  readonly compile: number;
  /** Programs: forward and backward, and what of the sums over the ranks goes on beside them. */
  readonly run: number;
  /** Waiting for the other ranks: for sums beyond the own work, and for the slowest. 0 without others. */
  readonly exchange: number;
  /** Clipping and optimizer. */
  readonly update: number;
  readonly validation: number;
  /** Copying the state, and waiting for the checkpoint before; the writing itself with `asyncSave: false`. */
  readonly checkpoint: number;
  /** Loggers and observers. */
  readonly log: number;
  /** Measuring the backward pass, see `profileStep`. */
  readonly profile: number;
}

export type StepPart = keyof StepTimes;

/** A clock that charges the time since it was last asked to a part. */
export class StepClock {
  readonly #now: () => number;
  readonly #times = {
    setup: 0,
    data: 0,
    host: 0,
    compile: 0,
    run: 0,
    exchange: 0,
    update: 0,
    validation: 0,
    checkpoint: 0,
    log: 0,
    profile: 0,
  };
  #at: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#at = now();
  }

  /** The time since the last call was spent on `part`. */
  charge(part: StepPart): void {
    const now = this.#now();
    this.#times[part] += now - this.#at;
    this.#at = now;
  }

  /** The last `tailMs` milliseconds of the time since the last call were spent on `tail`. */
  chargeWithTail(part: StepPart, tail: StepPart, tailMs: number): void {
    const now = this.#now();
    const tailOnly = Math.min(Math.max(0, tailMs), now - this.#at);
    this.#times[part] += now - this.#at - tailOnly;
    this.#times[tail] += tailOnly;
    this.#at = now;
  }

  get times(): StepTimes {
    return { ...this.#times };
  }

  /** Milliseconds of the steps themselves: all but set-up, validation, checkpoints and profiling. */
  get steps(): number {
    const { data, host, compile, run, exchange, update, log } = this.#times;
    return data + host + compile + run + exchange + update + log;
  }
}
