import type { MemoryUse } from "../executor.ts";
import { loadKoffi, type NativeFunction } from "./shared-libraries.ts";

/** An allocation that failed. */
export interface FailedAllocation {
  readonly askedBytes: number;
}

/** `c10::MemoryReportingInfoBase`: what a profiler derives from to hear of allocations. */
const INTERFACE = "_ZTVN3c1023MemoryReportingInfoBaseE";
const ON_FAILURE = "_ZN3c1023MemoryReportingInfoBase17reportOutOfMemoryElmmNS_6DeviceE";
const NEEDED = {
  ...{ typeInfo: "_ZTIN3c1023MemoryReportingInfoBaseE", pure: "__cxa_pure_virtual" },
  report: "_ZN3c1027reportMemoryUsageToProfilerEPvlmmNS_6DeviceE",
  push: "_ZN3c1020ThreadLocalDebugInfo5_pushENS_13DebugInfoKindESt10shared_ptrINS_13DebugInfoBaseEE",
  // Answers 1 to whatever it is asked.
  yes: "aoti_torch_device_type_cuda",
} as const;
/** Since 2.13 a kind is an address; before it was a number. */
const KIND = "_ZN3c1013DebugInfoKind14PROFILER_STATEE";
const KIND_NUMBER = 2n;
/** Offset, type, two destructors; use, failure, whether it listens. */
const SLOTS = { typeInfo: 1, use: 4, failure: 5, listens: 6 } as const;
const TABLE_SLOTS = 16;
const OBJECT_BYTES = 256;

/**
 * Hears what libtorch's allocators report of the thread that opened it: the interface that PyTorch's own
 * profiler uses. It has no C functions, so an object of C++'s layout is made for it, once the layout was
 * found in the loaded library to be the one that is known. It listens until the thread ends.
 */
export class MemoryReports {
  readonly #device: number;
  #failed: FailedAllocation | null = null;
  #allocated = 0;
  #peak = 0;
  #reserved = 0;

  private constructor(device: number) {
    this.#device = device;
  }

  /**
   * @param device libtorch's number of the kind of device that is counted
   * @param counts whether every allocation is heard of, 1 µs each, or only those that fail, which
   *   costs nothing
   * @returns null where the layout is another one
   */
  static open(device: number, counts: boolean): MemoryReports | null {
    const native = nativeMemory();
    const table = new BigUint64Array(SLOTS.listens + 1);
    const place = native.address(INTERFACE);
    const known = Object.entries(NEEDED).map(([key, name]) => [key, native.address(name)] as const);
    const base = native.address(ON_FAILURE);
    if (place === 0 || base === 0 || known.some(([, address]) => address === 0)) return null;
    // proof: an entry for each key
    const at = Object.fromEntries(known) as Record<keyof typeof NEEDED, number>;
    native.read(table, place);
    const isKnown =
      table[SLOTS.typeInfo] === BigInt(at.typeInfo) &&
      table[SLOTS.use] === BigInt(at.pure) &&
      table[SLOTS.failure] === BigInt(base) &&
      table[SLOTS.listens] === BigInt(at.pure);
    if (!isKnown) return null;
    const reports = new MemoryReports(device);
    const callbacks = reports.#callbacks();
    // The base's own function does nothing: it stands wherever nothing is to happen.
    const slots = new BigUint64Array(TABLE_SLOTS).fill(BigInt(base));
    if (counts) slots[SLOTS.use - 2] = callbacks.use;
    slots[SLOTS.failure - 2] = callbacks.failure;
    slots[SLOTS.listens - 2] = BigInt(at.yes);
    const block = native.allocate(OBJECT_BYTES);
    const object = block + 8 * TABLE_SLOTS;
    native.write(block, slots);
    native.write(object, BigUint64Array.of(BigInt(block)));
    // A std::shared_ptr without a count: nobody frees the object.
    const pointer = object + 8;
    native.write(pointer, BigUint64Array.of(BigInt(object), 0n));
    const kind = BigUint64Array.of(KIND_NUMBER);
    const kindAt = native.address(KIND);
    if (kindAt !== 0) native.read(kind, kindAt);
    native.library.func(NEEDED.push, "void", ["uint64", "uintptr_t"])(kind[0], pointer);
    return reports;
  }

  /** What is used, and the most since the last call. */
  takeUse(): MemoryUse {
    const [allocatedBytes, peakBytes] = [this.#allocated, this.#peak];
    this.#peak = allocatedBytes;
    return { allocatedBytes, peakBytes, reservedBytes: this.#reserved };
  }

  /** The allocation that failed last, and forgets it. */
  takeFailure(): FailedAllocation | null {
    const failed = this.#failed;
    this.#failed = null;
    return failed;
  }

  #callbacks(): { readonly use: bigint; readonly failure: bigint } {
    const koffi = loadKoffi();
    const types = ["int64", "uint64", "uint64", "int32"];
    const use = koffi.proto("void", ["uintptr_t", "uintptr_t", ...types]);
    const failure = koffi.proto("void", ["uintptr_t", ...types]);
    const register = (callback: (...values: number[]) => void, type: typeof use): bigint =>
      BigInt(koffi.address(koffi.register(callback, koffi.pointer(type))));
    return {
      use: register((_self = 0, _place = 0, size = 0, _all = 0, reserved = 0, device = 0) => {
        // c10::Device: a byte of the kind, one of the number.
        if ((device & 0xff) !== this.#device) return;
        this.#allocated += Number(size);
        this.#peak = Math.max(this.#peak, this.#allocated);
        this.#reserved = Number(reserved);
      }, use),
      failure: register((_self = 0, size = 0) => {
        this.#failed = { askedBytes: Number(size) };
      }, failure),
    };
  }
}

/** Memory of the process by address, and addresses of symbols; 0 for one that is not there. */
function nativeMemory() {
  const library = loadKoffi().load(null);
  const find: NativeFunction = library.func("uintptr_t dlsym(uintptr_t, const char *)");
  const out = library.func("memcpy", "void *", ["void *", "uintptr_t", "size_t"]);
  const into = library.func("memcpy", "void *", ["uintptr_t", "void *", "size_t"]);
  const allocate = library.func("uintptr_t malloc(size_t)");
  return {
    library,
    address: (name: string): number => Number(find(0, name)),
    read: (words: BigUint64Array, from: number): void => void out(words, from, words.byteLength),
    write: (to: number, words: BigUint64Array): void => void into(to, words, words.byteLength),
    allocate: (bytes: number): number => Number(allocate(bytes)),
  };
}
