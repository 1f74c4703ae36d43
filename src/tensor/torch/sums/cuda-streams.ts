import { ScdlError } from "../../../../formats/common/errors.ts";
import type { LibtorchFunctions } from "../binding.ts";
import { systemLibrary } from "../shared-libraries.ts";

/** A stream that does not wait for the one that there always is. */
const NON_BLOCKING = 1;
const DISABLE_TIMING = 2;
const WORD = 2 ** 32;

/** Streams of CUDA and events between them, by address. */
export interface CudaStreams {
  /** The one that libtorch works on. */
  current(): number;
  createStream(): number;
  createEvent(): number;
  /** The event is where the stream is now. */
  record(event: number, stream: number): void;
  /** What comes next on the stream waits for the event; the host does not. */
  wait(stream: number, event: number): void;
  destroyStream(stream: number): void;
  destroyEvent(event: number): void;
}

/** By the driver, on the device that the calling thread works on, and libtorch. */
export function cudaStreams(binding: LibtorchFunctions, index: number): CudaStreams {
  const driver = systemLibrary("libcuda.so.1");
  if (driver === null) throw new ScdlError("cuda", "CUDA: the driver is not there");
  const address = "uintptr_t";
  const words = new Uint32Array(2);
  const made = () => (words[1] ?? 0) * WORD + (words[0] ?? 0);
  const calling = (name: string, ...types: string[]) => {
    const call = driver.func(name, "int", types);
    return (...values: unknown[]): void => {
      const result: number = call(...values);
      if (result !== 0) throw new ScdlError("cuda", `CUDA: ${name} failed with error ${result}`);
    };
  };
  const createStream = calling("cuStreamCreate", "void *", "uint");
  const createEvent = calling("cuEventCreate", "void *", "uint");
  const wait = calling("cuStreamWaitEvent", address, address, "uint");
  return {
    current: () => binding.cudaStream(index),
    createStream() {
      createStream(words, NON_BLOCKING);
      return made();
    },
    createEvent() {
      createEvent(words, DISABLE_TIMING);
      return made();
    },
    record: calling("cuEventRecord", address, address),
    wait: (stream, event) => wait(stream, event, 0),
    destroyStream: calling("cuStreamDestroy_v2", address),
    destroyEvent: calling("cuEventDestroy_v2", address),
  };
}
