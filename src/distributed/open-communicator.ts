import { InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import { aFunction, aNumber, anObject, aText, checkOptions } from "../../formats/common/options.ts";
import type { Communicator } from "./communicator.ts";
import { type ProcessPlace, processPlace } from "./environment.ts";
import { meetingPoint } from "./meeting-point.ts";
import { SingleCommunicator } from "./single-communicator.ts";
import { OPERATION_MS } from "./time-limit.ts";

/** As by TCP. */
const NOTICE_MS = 5000;

export interface CommunicatorOptions {
  /** How ranks talk. Default: MPI under mpirun, TCP under all other launchers. */
  readonly transport?: "mpi" | "tcp";
  /** Default: what the environment says, see `processPlace()`. */
  readonly place?: ProcessPlace;
  /**
   * For all ranks to meet. Default `timeoutMs`. Under mpirun they meet when MPI starts, which is one call
   * that cannot be taken back: at the limit a line on stderr says so, and the process ends.
   */
  readonly meetMs?: number;
  /** For one operation, the waiting for the slowest rank included. Default 600,000. */
  readonly timeoutMs?: number;
  /**
   * Is told which ranks have not come: after five seconds, and when others have come since. While MPI
   * starts it cannot be called; a line on stderr says that others are waited for.
   */
  readonly onWaiting?: (ranks: readonly number[]) => void;
  /** Ends the waiting for the others with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Connects this process with the others of its job, as torchrun, Open MPI's mpirun or Slurm's srun have
 * started them; alone without a launcher.
 *
 * ```ts
 * await using communicator = await openCommunicator();
 * await communicator.allReduceSum([gradients]);
 * ```
 *
 * @throws RankError `rendezvous-failed`; InvalidArgumentError for an environment that does not say where
 *   to meet; NotFoundError or UnsupportedFeatureError for an MPI that is missing or unknown
 */
export async function openCommunicator(options: CommunicatorOptions = {}): Promise<Communicator> {
  checkOptions<object>("openCommunicator", options, {
    transport: aText,
    place: anObject,
    meetMs: aNumber,
    timeoutMs: aNumber,
    onWaiting: aFunction,
    signal: anObject,
  });
  const { place = processPlace(), transport = transportOf(place), timeoutMs } = options;
  const { meetMs, onWaiting } = options;
  const timeout = timeoutMs === undefined ? {} : { timeoutMs };
  if (place.worldSize === 1) return new SingleCommunicator();
  if (transport === "mpi") return openMpi(place, options);
  if (transport !== "tcp") {
    const message = `transport is ${transport}, expected mpi or tcp`;
    throw new InvalidArgumentError("transport", transport, message);
  }
  const { TcpCommunicator } = await import("./tcp/tcp-communicator.ts");
  const joined = TcpCommunicator.join(meetingPoint(place), {
    ...place,
    ...timeout,
    ...(meetMs === undefined ? {} : { meetMs }),
    ...(onWaiting === undefined ? {} : { onWaiting }),
  });
  return options.signal === undefined ? joined : unlessAborted(joined, options.signal);
}

async function unlessAborted(
  joined: Promise<Communicator>,
  signal: AbortSignal,
): Promise<Communicator> {
  signal.throwIfAborted();
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([joined, aborted]);
  } catch (error) {
    // Ranks that still come find that this one has failed.
    joined.then((late) => late.abort("it was interrupted")).catch(() => {});
    throw error;
  } finally {
    if (stop !== undefined) signal.removeEventListener("abort", stop);
  }
}

/** MPICH's processes may be told to meet by TCP; Open MPI's need no telling. */
function transportOf({ launcher }: ProcessPlace): "mpi" | "tcp" {
  if (launcher === "mpich") return process.env["MASTER_ADDR"] === undefined ? "mpi" : "tcp";
  return launcher === "openmpi" ? "mpi" : "tcp";
}

async function openMpi(
  place: ProcessPlace,
  { timeoutMs = OPERATION_MS, meetMs = timeoutMs, onWaiting }: CommunicatorOptions,
): Promise<Communicator> {
  const { loadMpi } = await import("./mpi/mpi-library.ts");
  const { MpiCommunicator } = await import("./mpi/mpi-communicator.ts");
  const mpi = loadMpi(place.launcher === "mpich" ? "mpich" : "openmpi");
  const noticeMs = onWaiting === undefined ? null : NOTICE_MS;
  const starting = { rank: place.rank, timeoutMs: meetMs, noticeMs };
  const communicator = new MpiCommunicator(mpi, { timeoutMs, starting });
  if (communicator.worldSize === place.worldSize) return communicator;
  const found = communicator.worldSize;
  await communicator.close();
  throw new NotFoundError(
    "mpi-other",
    `mpirun has started ${place.worldSize} processes, the library of MPI knows ${found}`,
    {
      what: "the libmpi that mpirun belongs to",
      suggestions: ["set SCDL_MPI_LIBRARY to the libmpi of the mpirun that is used"],
    },
  );
}
