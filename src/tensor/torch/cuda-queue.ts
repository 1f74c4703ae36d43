import { ScdlError } from "../../../formats/common/errors.ts";
import type { DeviceQueue, Mark } from "./device-queue.ts";
import { type NativeLibrary, systemLibrary } from "./shared-libraries.ts";

const DONE = 0;
const NOT_READY = 600;
/** An event without a time is cheaper. */
const DISABLE_TIMING = 2;
const WORD = 2 ** 32;

/** What is used of the driver's events: addresses as numbers, results as it numbers them. */
export interface CudaEvents {
  /** @returns the result and the event */
  create(): readonly [number, number];
  record(event: number, stream: number): number;
  query(event: number): number;
}

/** Events of the driver, which libtorch has loaded. */
export function cudaEvents(
  library: NativeLibrary | null = systemLibrary("libcuda.so.1"),
): CudaEvents {
  if (library === null) throw failed("the driver", -1);
  const words = new Uint32Array(2);
  const create = library.func("cuEventCreate", "int", ["void *", "uint"]);
  const record = library.func("cuEventRecord", "int", ["uintptr_t", "uintptr_t"]);
  const query = library.func("cuEventQuery", "int", ["uintptr_t"]);
  return {
    create: () => {
      const result: number = create(words, DISABLE_TIMING);
      return [result, (words[1] ?? 0) * WORD + (words[0] ?? 0)];
    },
    record: (event, stream): number => record(event, stream),
    query: (event): number => query(event),
  };
}

/** The stream of CUDA that libtorch works on; events that were waited for are used again. */
export class CudaQueue implements DeviceQueue {
  readonly #events: CudaEvents;
  readonly #stream: () => number;
  readonly #free: number[] = [];

  constructor(events: CudaEvents, stream: () => number) {
    this.#events = events;
    this.#stream = stream;
  }

  mark(): Mark {
    const event = this.#free.pop() ?? this.#create();
    check("cuEventRecord", this.#events.record(event, this.#stream()));
    return {
      isDone: () => {
        const result = this.#events.query(event);
        if (result === NOT_READY) return false;
        check("cuEventQuery", result);
        return true;
      },
      release: () => {
        this.#free.push(event);
      },
    };
  }

  #create(): number {
    const [result, event] = this.#events.create();
    check("cuEventCreate", result);
    return event;
  }
}

function check(what: string, result: number): void {
  if (result !== DONE) throw failed(what, result);
}

function failed(what: string, result: number): ScdlError {
  return new ScdlError("cuda", `CUDA: ${what} failed with error ${result}`, {
    suggestions: ["see what nvidia-smi says, and start again from the last checkpoint"],
  });
}
