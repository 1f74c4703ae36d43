import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { NotFoundError, ScdlError } from "../../../formats/common/errors.ts";
import { neededLibraries } from "../../../formats/elf/segments.ts";

/** Bytes of what rank 0 makes and all ranks need to find each other. */
export const NCCL_ID_BYTES = 128;

/** Types of elements that are added up, with NCCL's numbers. */
const DTYPES = { float16: 6, float32: 7, bfloat16: 9 } as const;
export type NcclDtype = keyof typeof DTYPES;

const SUM = 0;
const SUCCESS = 0;
const IN_PROGRESS = 7;

/** A call of NCCL failed; the message has its own words. */
export class NcclError extends ScdlError {}

/**
 * The C calls of NCCL that ranks need. Pointers and handles are addresses, streams are CUDA's. No call
 * waits for other ranks: {@link isSettled} says when the last one is through, and no other may follow
 * before.
 */
export interface NcclLibrary {
  readonly path: string;
  /** E.g. "2.30.7". */
  readonly version: string;
  /** Of a job, made by one rank. */
  uniqueId(): Uint8Array;
  /** Begins to meet all ranks; the device is the calling thread's current one. */
  start(id: Uint8Array, rank: number, worldSize: number): number;
  /** In place; only put onto the stream. */
  allReduceSum(
    ranks: number,
    pointer: number,
    count: number,
    dtype: NcclDtype,
    stream: number,
  ): void;
  /** Every rank gets the array of `root`, in place; only put onto the stream. */
  broadcast(
    ranks: number,
    pointer: number,
    count: number,
    dtype: NcclDtype,
    root: number,
    stream: number,
  ): void;
  /** Calls between become one: for many arrays. */
  group(calls: () => void): void;
  /** @throws NcclError when something on the stream has failed since, or another rank is gone */
  isSettled(ranks: number): boolean;
  /** Begins to wait for what is on the streams. */
  leave(ranks: number): void;
  /** Frees it, after {@link leave}. */
  finish(ranks: number): void;
  /** Ends what hangs, also while others do; not to be called twice. From any thread. */
  abort(ranks: number): Promise<void>;
}

export interface NcclOptions {
  /** Of the library. Default: variable SCDL_NCCL_LIBRARY. */
  readonly path?: string | undefined;
  /** The folder of libtorch, beside which Python's packages have NCCL. */
  readonly libtorch?: string | undefined;
}

/**
 * Loads NCCL: the named one, that beside a PyTorch, or the system's.
 * @throws NotFoundError with the places that were tried, FormatError for a file that is cut off
 */
export function loadNccl(options: NcclOptions = {}): NcclLibrary {
  const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
  const { path = process.env["SCDL_NCCL_LIBRARY"], libtorch } = options;
  const packages = libtorch === undefined ? [] : [dirname(dirname(libtorch))];
  const places =
    path === undefined
      ? [...packages.map((at) => join(at, "nvidia/nccl/lib/libnccl.so.2")), "libnccl.so.2"]
      : [path];
  const [found] = places.flatMap((place) => {
    // One that is cut off would end the process.
    if (existsSync(place)) neededLibraries(place);
    try {
      return [{ place, library: koffi.load(place) }];
    } catch {
      return [];
    }
  });
  if (found === undefined) {
    throw new NotFoundError("nccl-missing", `NCCL is not there: ${places.join(", ")}`, {
      what: "libnccl.so.2",
      suggestions: ["pip install torch brings it; or set SCDL_NCCL_LIBRARY to libnccl.so.2"],
    });
  }
  const { place, library } = found;
  const [int, size, any, address] = ["int", "size_t", "void *", "uintptr_t"];
  // By value, as the header has it. Anonymous: a name can be given once in a process.
  const idType = koffi.struct({ internal: koffi.array("uint8", NCCL_ID_BYTES) });
  const calls = {
    getVersion: library.func("ncclGetVersion", int, [any]),
    getUniqueId: library.func("ncclGetUniqueId", int, [any]),
    initRank: library.func("ncclCommInitRankConfig", int, [any, int, idType, int, any]),
    allReduce: library.func("ncclAllReduce", int, [
      ...[address, address, size, int, int],
      ...[address, address],
    ]),
    broadcast: library.func("ncclBroadcast", int, [
      ...[address, address, size, int, int],
      ...[address, address],
    ]),
    groupStart: library.func("ncclGroupStart", int, []),
    groupEnd: library.func("ncclGroupEnd", int, []),
    asyncError: library.func("ncclCommGetAsyncError", int, [address, any]),
    finalize: library.func("ncclCommFinalize", int, [address]),
    destroy: library.func("ncclCommDestroy", int, [address]),
    abort: library.func("ncclCommAbort", int, [address]),
    errorText: library.func("ncclGetErrorString", "const char *", [int]),
    lastError: library.func("ncclGetLastError", "const char *", [any]),
  };
  const required = (what: string, result: number): void => {
    if (result === SUCCESS || result === IN_PROGRESS) return;
    const words = [calls.errorText(result), calls.lastError(null)].map(String);
    const said = words.filter((text) => text !== "" && text !== "null").join(": ");
    throw new NcclError("nccl-failed", `${what}: ${said.trim()}`, {
      suggestions: ["NCCL_DEBUG=INFO makes NCCL say more on its own"],
    });
  };
  const number = new Int32Array(1);
  required("ncclGetVersion", calls.getVersion(number));
  return {
    path: place,
    version: versionText(number[0] ?? 0),
    uniqueId() {
      const id = new Uint8Array(NCCL_ID_BYTES);
      required("ncclGetUniqueId", calls.getUniqueId(id));
      return id;
    },
    start(id, rank, worldSize) {
      const handle = new BigUint64Array(1);
      const result = calls.initRank(handle, worldSize, { internal: id }, rank, withoutWaiting());
      required("ncclCommInitRankConfig", result);
      return Number(handle[0] ?? 0n);
    },
    allReduceSum(ranks, pointer, count, dtype, stream) {
      const type = DTYPES[dtype];
      required("ncclAllReduce", calls.allReduce(pointer, pointer, count, type, SUM, ranks, stream));
    },
    broadcast(ranks, pointer, count, dtype, root, stream) {
      const type = DTYPES[dtype];
      required(
        "ncclBroadcast",
        calls.broadcast(pointer, pointer, count, type, root, ranks, stream),
      );
    },
    group(work) {
      required("ncclGroupStart", calls.groupStart());
      try {
        work();
      } finally {
        required("ncclGroupEnd", calls.groupEnd());
      }
    },
    isSettled(ranks) {
      required("ncclCommGetAsyncError", calls.asyncError(ranks, number));
      required("NCCL", number[0] ?? 0);
      return number[0] === SUCCESS;
    },
    leave: (ranks) => required("ncclCommFinalize", calls.finalize(ranks)),
    finish: (ranks) => required("ncclCommDestroy", calls.destroy(ranks)),
    abort: (ranks) =>
      new Promise((resolve, reject) => {
        calls.abort.async(ranks, (error: unknown) => (error === null ? resolve() : reject(error)));
      }),
  };
}

/**
 * `ncclConfig_t` as far as 2.14 had it, which all later versions take: their own fields are what they
 * are without it. Calls do not block.
 */
function withoutWaiting(): Buffer {
  const config = Buffer.alloc(24);
  config.writeBigUInt64LE(24n, 0);
  config.writeUInt32LE(0xcafe_beef, 8);
  config.writeUInt32LE(21_400, 12);
  config.writeInt32LE(0, 16);
  // Of a field that 2.14 did not have: not said.
  config.writeInt32LE(-(2 ** 31), 20);
  return config;
}

/** 23007 is 2.30.7; before 2.9 it was 2804 for 2.8.4. */
function versionText(code: number): string {
  const [major, rest] =
    code < 10_000
      ? [Math.floor(code / 1000), code % 1000]
      : [Math.floor(code / 10_000), code % 10_000];
  return `${major}.${Math.floor(rest / 100)}.${rest % 100}`;
}
