import type { Communicator } from "./communicator.ts";

/** One process alone: sums are what they are. */
export class SingleCommunicator implements Communicator {
  readonly name = "single";
  readonly rank = 0;
  readonly worldSize = 1;
  readonly failure: AbortSignal = new AbortController().signal;

  async allReduceSum(_arrays: readonly Float32Array[]): Promise<void> {}

  async broadcast(_bytes: Uint8Array): Promise<void> {}

  async allGather(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    return [Uint8Array.from(bytes)];
  }

  async barrier(): Promise<void> {}

  abort(_reason: string): void {}

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
