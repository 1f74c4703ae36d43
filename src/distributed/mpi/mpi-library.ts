import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { NotFoundError } from "../../../formats/common/errors.ts";
import { abiOf } from "./abi.ts";
import type { MpiNotes } from "./mpi-roll.ts";

/** The C calls of MPI that ranks need; all but `start` and `finish` leave the event loop free. */
export interface MpiLibrary {
  /** "openmpi", "mpich", or "mpi" for the standard ABI. */
  readonly name: string;
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

/** Of Open MPI 4 and 5, of MPICH and Intel MPI, of the standard ABI. */
const OPEN_MPI = ["libmpi.so.40", "libmpi.40.dylib"];
const MPICH = ["libmpi.so.12", "libmpich.so.12", "libmpi.12.dylib", "libmpi_abi.so.1"];
const NOTE_TAG = 7;

/** What has started the processes: its own library is looked for first. */
export type MpiLauncher = "openmpi" | "mpich";

/**
 * Loads the library of MPI: the named one, those that the system finds, those beside the `mpiexec` that
 * the shell finds.
 *
 * @param path of the library. Default: environment variable SCDL_MPI_LIBRARY
 * @throws NotFoundError without any MPI, UnsupportedFeatureError for an unknown one, naming it
 */
export function loadMpi(launcher: MpiLauncher, path = process.env["SCDL_MPI_LIBRARY"]): MpiLibrary {
  const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
  const own = launcher === "openmpi" ? OPEN_MPI : MPICH;
  const names = path === undefined ? [...own, ...besideLauncher(own), "libmpi.so"] : [path];
  const found = names.flatMap((name) => {
    try {
      // Its plug-ins look for the library's names in the process.
      return [{ name, library: koffi.load(name, { global: true }) }];
    } catch {
      return [];
    }
  })[0];
  if (found === undefined) {
    throw new NotFoundError("mpi-missing", "the library of MPI is not there", {
      what: names.join(", "),
      suggestions: [
        `set SCDL_MPI_LIBRARY to the ${own[0]} of the mpirun that is used`,
        "export MASTER_ADDR and MASTER_PORT to MPICH's processes, or start with torchrun: they use TCP",
      ],
    });
  }
  const { name, library } = found;
  const version = versionOf(library);
  const abi = abiOf(library, name, version);
  const { world, float, byte, sum, handleType: handle } = abi;
  const int = "int";
  const any = "void *";
  const init = library.func("MPI_Init_thread", int, [any, any, int, koffi.out("int *")]);
  const rankOf = library.func("MPI_Comm_rank", int, [handle, koffi.out("int *")]);
  const sizeOf = library.func("MPI_Comm_size", int, [handle, koffi.out("int *")]);
  const allReduce = library.func("MPI_Allreduce", int, [
    ...[any, any, int, handle, handle, handle],
  ]);
  const broadcast = library.func("MPI_Bcast", int, [any, int, handle, int, handle]);
  const allGather = library.func("MPI_Allgather", int, [
    ...[any, int, handle, any, int, handle, handle],
  ]);
  const barrier = library.func("MPI_Barrier", int, [handle]);
  const duplicate = library.func("MPI_Comm_dup", int, [handle, any]);
  const message = [any, int, handle, int, int, handle, any];
  const sendLater = library.func("MPI_Isend", int, message);
  const receive = library.func("MPI_Recv", int, message);
  const test = library.func("MPI_Test", int, [any, any, any]);
  const probe = library.func("MPI_Iprobe", int, [int, int, handle, any, any]);
  const finalize = library.func("MPI_Finalize", int, []);
  const abort = library.func("MPI_Abort", int, [handle, int]);
  // A null window of threads: without SERIALIZED everything is called in this one.
  let mayThread = false;
  /** A communicator of the notes' own, so that nothing else takes them. */
  let notes: number | null = null;
  const call = (fn: typeof init, ...values: unknown[]): Promise<void> => {
    if (!mayThread) return Promise.resolve(fn(...values)).then(() => {});
    return new Promise((resolve, reject) => {
      fn.async(...values, (error: unknown) => (error === null ? resolve() : reject(error)));
    });
  };
  return {
    name: abi.name,
    version,
    start() {
      const provided = [0];
      const [rank, size] = [[0], [0]];
      init(null, null, abi.multiple, provided);
      mayThread = (provided[0] ?? 0) >= abi.serialized;
      rankOf(world, rank);
      sizeOf(world, size);
      if ((provided[0] ?? 0) >= abi.multiple) {
        const made = new BigUint64Array(1);
        duplicate(world, made);
        notes = Number(made[0] ?? 0n);
      }
      return { rank: rank[0] ?? 0, worldSize: size[0] ?? 1 };
    },
    allReduceSum: (floats) =>
      call(allReduce, abi.inPlace, floats, floats.length, float, sum, world),
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
          probe(abi.anySource, NOTE_TAG, beside, flag, status);
          if (flag[0] === 0) return null;
          const rank = status[abi.sourceAt] ?? 0;
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

/** In `lib` next to the `bin` of each mpiexec that the shell would find. */
function besideLauncher(names: readonly string[]): readonly string[] {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.flatMap((folder) => {
    const file = join(folder, "mpiexec");
    if (!existsSync(file)) return [];
    const places = [dirname(folder), dirname(dirname(realpathSync(file)))];
    return places.flatMap((place) => names.map((name) => join(place, "lib", name)));
  });
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
