import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";

type Library = import("koffi").LibraryHandle;

/** What differs between libraries of MPI with the same functions: what a C header would say. */
export interface MpiAbi {
  /** The name of the communicator. */
  readonly name: "openmpi" | "mpich" | "mpi";
  /** Of all handles. */
  readonly handleType: "uintptr_t" | "int";
  readonly world: unknown;
  readonly float: unknown;
  readonly byte: unknown;
  readonly sum: unknown;
  readonly inPlace: bigint;
  readonly anySource: number;
  /** MPI_THREAD_SERIALIZED: any thread may call, one at a time; MPI_THREAD_MULTIPLE: any at any time. */
  readonly serialized: number;
  readonly multiple: number;
  /** Place of MPI_SOURCE among the numbers of a status. */
  readonly sourceAt: number;
}

/** MPICH 3.1 and all that keep to its ABI: Intel MPI, MVAPICH, Cray. */
const MPICH: MpiAbi = {
  name: "mpich",
  handleType: "int",
  world: 0x4400_0000,
  float: 0x4c00_040a,
  byte: 0x4c00_010d,
  sum: 0x5800_0003,
  inPlace: BigInt.asUintN(64, -1n),
  anySource: -2,
  serialized: 2,
  multiple: 3,
  sourceAt: 2,
};

/** The one of MPI 5, which no longer depends on who made it. */
const STANDARD: MpiAbi = {
  name: "mpi",
  handleType: "uintptr_t",
  world: 0x101,
  float: 0x210,
  byte: 0x247,
  sum: 0x21,
  inPlace: 1n,
  anySource: -1,
  serialized: 2048,
  multiple: 4096,
  sourceAt: 0,
};

const LIKE_MPICH = /MPICH|MVAPICH|Intel\(R\) MPI/;

/**
 * Which ABI a library has: no function is called with a handle of another one.
 *
 * @param version what the library says of itself
 * @throws UnsupportedFeatureError for a library that is none of them
 */
export function abiOf(library: Library, name: string, version: string): MpiAbi {
  const own = openMpi(library);
  if (own !== null) return own;
  if (isStandard(library)) return STANDARD;
  if (LIKE_MPICH.test(version)) return MPICH;
  throw new UnsupportedFeatureError("mpi", `${name} is ${version}, expected Open MPI or MPICH`, {
    suggestions: ["start with Open MPI's or MPICH's mpirun, or with torchrun, which needs no MPI"],
  });
}

/** Handles are addresses of variables. */
function openMpi(library: Library): MpiAbi | null {
  try {
    const symbol = (which: string): unknown => library.symbol(`ompi_mpi_${which}`, "void");
    return {
      ...{ name: "openmpi", handleType: "uintptr_t", world: symbol("comm_world") },
      ...{ float: symbol("float"), byte: symbol("byte"), sum: symbol("op_sum") },
      ...{ inPlace: 1n, anySource: -1, serialized: 2, multiple: 3, sourceAt: 0 },
    };
  } catch {
    return null;
  }
}

/** MPICH's own library has the function, too, and says -1. */
function isStandard(library: Library): boolean {
  try {
    const version = library.func("MPI_Abi_get_version", "int", ["void *", "void *"]);
    const [major, minor] = [new Int32Array(1), new Int32Array(1)];
    version(major, minor);
    return major[0] === 1;
  } catch {
    return false;
  }
}
