import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { NotFoundError, ScdlError } from "../../../formats/common/errors.ts";

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

/** `ncclComm_t`: a pointer that only NCCL looks behind. */
export type NcclHandle = { readonly handle: unknown };

/** The C calls of NCCL that ranks need. Pointers are addresses on the device, streams are CUDA's. */
export interface NcclLibrary {
  readonly path: string;
  /** E.g. "2.30.7". */
  readonly version: string;
  /** Of a job, made by one rank. */
  uniqueId(): Uint8Array;
  /** Waits for all ranks; the device is the calling thread's current one. */
  start(id: Uint8Array, rank: number, worldSize: number): NcclHandle;
  /** In place; only put onto the stream. */
  allReduceSum(
    ranks: NcclHandle,
    pointer: bigint,
    count: number,
    dtype: NcclDtype,
    stream: bigint,
  ): void;
  broadcast(
    ranks: NcclHandle,
    pointer: bigint,
    count: number,
    dtype: NcclDtype,
    root: number,
    stream: bigint,
  ): void;
  /** Calls between become one: for many arrays. */
  group(calls: () => void): void;
  /** @throws NcclError when something on the stream has failed since */
  check(ranks: NcclHandle): void;
  /** Waits for what is on the stream. */
  finish(ranks: NcclHandle): void;
  /** At once, also while others hang. */
  abort(ranks: NcclHandle): void;
}

export interface NcclOptions {
  /** Of the library. Default: variable SCDL_NCCL_LIBRARY. */
  readonly path?: string | undefined;
  /** The folder of libtorch, beside which Python's packages have NCCL. */
  readonly libtorch?: string | undefined;
}

/**
 * Loads NCCL: the named one, that beside a PyTorch, or the system's.
 * @throws NotFoundError with the places that were tried
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
  const [int, size, any] = ["int", "size_t", "void *"];
  // By value, as the header has it. Anonymous: a name can be given once in a process.
  const idType = koffi.struct({ internal: koffi.array("uint8", NCCL_ID_BYTES) });
  const calls = {
    getVersion: library.func("ncclGetVersion", int, [any]),
    getUniqueId: library.func("ncclGetUniqueId", int, [any]),
    initRank: library.func("ncclCommInitRank", int, [koffi.out("void **"), int, idType, int]),
    allReduce: library.func("ncclAllReduce", int, [
      ...["uintptr_t", "uintptr_t", size, int, int],
      ...[any, "uintptr_t"],
    ]),
    broadcast: library.func("ncclBroadcast", int, [
      ...["uintptr_t", "uintptr_t", size, int, int],
      ...[any, "uintptr_t"],
    ]),
    groupStart: library.func("ncclGroupStart", int, []),
    groupEnd: library.func("ncclGroupEnd", int, []),
    asyncError: library.func("ncclCommGetAsyncError", int, [any, any]),
    destroy: library.func("ncclCommDestroy", int, [any]),
    abort: library.func("ncclCommAbort", int, [any]),
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
      const out: [unknown] = [null];
      required("ncclCommInitRank", calls.initRank(out, worldSize, { internal: id }, rank));
      return { handle: out[0] };
    },
    allReduceSum({ handle }, pointer, count, dtype, stream) {
      const type = DTYPES[dtype];
      required(
        "ncclAllReduce",
        calls.allReduce(pointer, pointer, count, type, SUM, handle, stream),
      );
    },
    broadcast({ handle }, pointer, count, dtype, root, stream) {
      const type = DTYPES[dtype];
      required(
        "ncclBroadcast",
        calls.broadcast(pointer, pointer, count, type, root, handle, stream),
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
    check({ handle }) {
      required("ncclCommGetAsyncError", calls.asyncError(handle, number));
      required("NCCL", number[0] ?? 0);
    },
    finish: ({ handle }) => required("ncclCommDestroy", calls.destroy(handle)),
    abort: ({ handle }) => required("ncclCommAbort", calls.abort(handle)),
  };
}

/** 23007 is 2.30.7; before 2.9 it was 2804 for 2.8.4. */
function versionText(code: number): string {
  const [major, rest] =
    code < 10_000
      ? [Math.floor(code / 1000), code % 1000]
      : [Math.floor(code / 10_000), code % 10_000];
  return `${major}.${Math.floor(rest / 100)}.${rest % 100}`;
}
