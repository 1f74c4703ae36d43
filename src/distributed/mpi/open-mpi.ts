import { createRequire } from "node:module";
import { NotFoundError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import type { MpiNotes } from "./mpi-roll.ts";

/** The C calls of MPI that ranks need; all but `start` and `finish` leave the event loop free. */
export interface MpiLibrary {
  /** The first line of what the library says of itself. */
  readonly version: string;
  /** Returns rank and size of the job. */
  start(): { readonly rank: number; readonly worldSize: number };
  allReduceSum(floats: Float32Array): Promise<void>;
  broadcast(bytes: Uint8Array, root: number): Promise<void>;
  /** Every rank's bytes, equally many, one after another. */
  allGather(bytes: Uint8Array, into: Uint8Array): Promise<void>;
  barrier(): Promise<void>;
  /** Beside the operations, after `start`; null where MPI is not made for calls of several threads. */
  notes(): MpiNotes | null;
  finish(): void;
  /** Ends all processes of the job. */
  abort(code: number): void;
}

/** Open MPI 4 and 5; then names under which others may be found, to say what there is. */
const OPEN_MPI = ["libmpi.so.40", "libmpi.40.dylib", "libmpi.so"];
const OTHERS = ["libmpi.so.12", "libmpich.so.12", "libmpi_abi.so.0", "libmpi.12.dylib"];
/** MPI_THREAD_SERIALIZED: any thread may call, one at a time; MPI_THREAD_MULTIPLE: any at any time. */
const SERIALIZED = 2;
const MULTIPLE = 3;
const ANY_SOURCE = -1;
const NOTE_TAG = 7;
/** MPI_IN_PLACE */
const IN_PLACE = 1n;

/**
 * Loads Open MPI. Handles of MPI are addresses of variables there, numbers in MPICH and Intel MPI, and
 * something else in the standard ABI of MPI 5: those are refused and never called by a wrong handle.
 *
 * @param path of the library. Default: environment variable SCDL_MPI_LIBRARY, or where the system looks
 * @throws NotFoundError without any MPI, UnsupportedFeatureError for another one, naming it
 */
export function loadOpenMpi(path = process.env["SCDL_MPI_LIBRARY"]): MpiLibrary {
  const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
  const names = path === undefined ? [...OPEN_MPI, ...OTHERS] : [path];
  const found = names.flatMap((name) => {
    try {
      // Its plug-ins look for the library's names in the process.
      return [{ name, library: koffi.load(name, { global: true }) }];
    } catch {
      return [];
    }
  })[0];
  if (found === undefined) {
    throw new NotFoundError("mpi-missing", "Open MPI's library is not there", {
      what: names.join(", "),
      suggestions: [
        "install Open MPI (libopenmpi3, openmpi-bin), or set SCDL_MPI_LIBRARY to its libmpi.so.40",
        "start with torchrun instead, which needs no MPI",
      ],
    });
  }
  const { name, library } = found;
  const version = versionOf(library);
  let handles: { world: unknown; float: unknown; byte: unknown; sum: unknown };
  try {
    const symbol = (which: string): unknown => library.symbol(`ompi_mpi_${which}`, "void");
    handles = {
      world: symbol("comm_world"),
      float: symbol("float"),
      byte: symbol("byte"),
      sum: symbol("op_sum"),
    };
  } catch (cause) {
    throw new UnsupportedFeatureError("mpi", `${name} is ${version}, expected Open MPI`, {
      cause,
      suggestions: ["start with Open MPI's mpirun, or with torchrun, which needs no MPI"],
    });
  }
  const { world, float, byte, sum } = handles;
  const int = "int";
  const any = "void *";
  const address = "uintptr_t";
  const init = library.func("MPI_Init_thread", int, [any, any, int, koffi.out("int *")]);
  const rankOf = library.func("MPI_Comm_rank", int, [any, koffi.out("int *")]);
  const sizeOf = library.func("MPI_Comm_size", int, [any, koffi.out("int *")]);
  const allReduce = library.func("MPI_Allreduce", int, [any, any, int, any, any, any]);
  const broadcast = library.func("MPI_Bcast", int, [any, int, any, int, any]);
  const allGather = library.func("MPI_Allgather", int, [any, int, any, any, int, any, any]);
  const barrier = library.func("MPI_Barrier", int, [any]);
  const duplicate = library.func("MPI_Comm_dup", int, [any, any]);
  const sendLater = library.func("MPI_Isend", int, [any, int, any, int, int, address, any]);
  const test = library.func("MPI_Test", int, [any, any, any]);
  const probe = library.func("MPI_Iprobe", int, [int, int, address, any, any]);
  const receive = library.func("MPI_Recv", int, [any, int, any, int, int, address, any]);
  const finalize = library.func("MPI_Finalize", int, []);
  const abort = library.func("MPI_Abort", int, [any, int]);
  // A null window of threads: without SERIALIZED everything is called in this one.
  let mayThread = false;
  /** A communicator of the notes' own, so that nothing else takes them. */
  let notes: bigint | null = null;
  const call = (fn: typeof init, ...values: unknown[]): Promise<void> => {
    if (!mayThread) return Promise.resolve(fn(...values)).then(() => {});
    return new Promise((resolve, reject) => {
      fn.async(...values, (error: unknown) => (error === null ? resolve() : reject(error)));
    });
  };
  return {
    version,
    start() {
      const provided = [0];
      const [rank, size] = [[0], [0]];
      init(null, null, MULTIPLE, provided);
      mayThread = (provided[0] ?? 0) >= SERIALIZED;
      rankOf(world, rank);
      sizeOf(world, size);
      if ((provided[0] ?? 0) >= MULTIPLE) {
        const handle = new BigUint64Array(1);
        duplicate(world, handle);
        notes = handle[0] ?? null;
      }
      return { rank: rank[0] ?? 0, worldSize: size[0] ?? 1 };
    },
    allReduceSum: (floats) => call(allReduce, IN_PLACE, floats, floats.length, float, sum, world),
    broadcast: (bytes, root) => call(broadcast, bytes, bytes.length, byte, root, world),
    allGather: (bytes, into) =>
      call(allGather, bytes, bytes.length, byte, into, bytes.length, byte, world),
    barrier: () => call(barrier, world),
    notes() {
      const beside = notes;
      if (beside === null) return null;
      const status = new Int32Array(16);
      const flag = new Int32Array(1);
      // Memory and requests of notes on their way.
      let sent: { readonly note: Int32Array; readonly request: BigUint64Array }[] = [];
      return {
        send(rank, number) {
          sent = sent.filter(({ request }) => {
            test(request, flag, status);
            return flag[0] === 0;
          });
          const one = { note: Int32Array.of(number), request: new BigUint64Array(1) };
          sendLater(one.note, 4, byte, rank, NOTE_TAG, beside, one.request);
          sent.push(one);
        },
        receive() {
          probe(ANY_SOURCE, NOTE_TAG, beside, flag, status);
          if (flag[0] === 0) return null;
          // MPI_SOURCE is the first of a status.
          const [rank = 0] = status;
          const note = new Int32Array(1);
          receive(note, 4, byte, rank, NOTE_TAG, beside, status);
          return { rank, number: note[0] ?? 0 };
        },
      };
    },
    finish: () => void finalize(),
    abort: (code) => void abort(world, code),
  };
}

function versionOf(library: import("koffi").LibraryHandle): string {
  try {
    const text = new Uint8Array(8192);
    library.func("MPI_Get_library_version", "int", ["void *", "void *"])(text, new Int32Array(1));
    const [line = ""] = new TextDecoder().decode(text.subarray(0, text.indexOf(0))).split(/[\n,]/);
    return line.trim() || "an MPI without a name";
  } catch {
    return "no MPI";
  }
}
