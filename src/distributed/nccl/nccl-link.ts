import { NcclError } from "./nccl.ts";

const STOP = 0;
const BUSY = 1;
const NOTHING = 2;
/** How long a call of NCCL may take that does not wait for others. */
const CALL_MS = 5000;

/** What both threads are given. */
export interface NcclLinkMemory {
  readonly control: Int32Array;
  readonly handle: BigUint64Array;
}

/**
 * NCCL's communicator between the thread that uses it and the one that hears of lost ranks. While the
 * first hangs on the device the other one aborts; from then on the first does not touch it.
 */
export class NcclLink {
  readonly memory: NcclLinkMemory;

  constructor(memory?: NcclLinkMemory) {
    this.memory = memory ?? {
      control: new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT)),
      handle: new BigUint64Array(new SharedArrayBuffer(BigUint64Array.BYTES_PER_ELEMENT)),
    };
  }

  /** 0 while there is none. */
  get handle(): number {
    return Number(Atomics.load(this.memory.handle, 0));
  }

  get isStopped(): boolean {
    return Atomics.load(this.memory.control, STOP) === 1;
  }

  /** Calls NCCL in the thread that uses it. @throws NcclError after the other one has aborted */
  use<T>(work: (handle: number) => T): T {
    const { control } = this.memory;
    Atomics.store(control, BUSY, 1);
    try {
      if (this.isStopped) throw new NcclError("nccl-aborted", "the sums of gradients were ended");
      return work(this.handle);
    } finally {
      Atomics.store(control, BUSY, 0);
    }
  }

  /** Inside {@link use}. */
  set(handle: number): void {
    Atomics.store(this.memory.handle, 0, BigInt(handle));
  }

  pause(ms: number): void {
    Atomics.wait(this.memory.control, NOTHING, 0, ms);
  }

  /** Aborts in the other thread, once. */
  async stop(abort: (handle: number) => Promise<void>): Promise<void> {
    const { control } = this.memory;
    if (Atomics.exchange(control, STOP, 1) === 1) return;
    const since = performance.now();
    while (Atomics.load(control, BUSY) === 1 && performance.now() - since < CALL_MS) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    if (this.handle !== 0) await abort(this.handle);
  }
}
