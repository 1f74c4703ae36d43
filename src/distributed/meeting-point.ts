import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { ProcessPlace } from "./environment.ts";
import type { MeetingPoint } from "./tcp/meeting.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where the processes meet: MASTER_ADDR and MASTER_PORT, as torchrun sets them and users do for
 * others; under Slurm else the first node of the step, and a port made of the job's number.
 *
 * Where torchrun's own store holds MASTER_PORT, rank 0 listens on the next one that is free.
 *
 * @throws InvalidArgumentError naming the variable that is missing or makes no sense
 */
export function meetingPoint(
  place: Pick<ProcessPlace, "launcher">,
  environment: Environment = process.env,
): MeetingPoint {
  const { MASTER_ADDR: address, MASTER_PORT: port } = environment;
  const isSlurm = place.launcher === "slurm";
  const host = address?.trim() || (isSlurm ? firstNode(environment) : undefined);
  if (host === undefined) throw missing("MASTER_ADDR", address);
  if (port === undefined && !isSlurm) throw missing("MASTER_PORT", port);
  const isHeld = environment["TORCHELASTIC_USE_AGENT_STORE"] === "True";
  return {
    host,
    port: port === undefined ? slurmPort(environment) : portNumber(port) + (isHeld ? 1 : 0),
    job: jobName(environment),
  };
}

/** Differs from that of other jobs on the computer, and from the same job before a restart. */
function jobName(environment: Environment): string {
  const names = [
    "TORCHELASTIC_RUN_ID",
    "TORCHELASTIC_RESTART_COUNT",
    "SLURM_JOB_ID",
    "SLURM_STEP_ID",
    "OMPI_MCA_ess_base_jobid",
  ];
  return names.map((name) => environment[name] ?? "").join("/");
}

/** The first name of a list as Slurm writes it: "gpu[003-005,9],other" begins with gpu003. */
function firstNode(environment: Environment): string | undefined {
  const list = environment["SLURM_STEP_NODELIST"] ?? environment["SLURM_JOB_NODELIST"];
  const [, name = "", first = "", rest = ""] =
    /^([^,[\]]+)(?:\[([^\],-]+)[^\]]*\])?([^,[\]]*)/.exec(list?.trim() ?? "") ?? [];
  return name === "" ? undefined : `${name}${first}${rest}`;
}

/** Between 20000 and 27999: below the ports that systems give to connections. */
function slurmPort(environment: Environment): number {
  const text = environment["SLURM_JOB_ID"];
  const job = Number(text);
  if (text === undefined || !Number.isSafeInteger(job)) throw missing("MASTER_PORT", undefined);
  return 20_000 + (job % 1000) * 8;
}

function portNumber(text: string): number {
  const port = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (port >= 1 && port <= 65_520) return port;
  const message = `environment variable MASTER_PORT is ${text}, expected 1 to 65520`;
  throw new InvalidArgumentError("MASTER_PORT", text, message);
}

function missing(name: string, value: string | undefined): InvalidArgumentError {
  const message = `environment variable ${name} is not set: the processes do not know where to meet`;
  return new InvalidArgumentError(name, value, message, {
    suggestions: [
      "export MASTER_ADDR (the computer of rank 0) and MASTER_PORT (a free port) to all processes",
      "torchrun sets both; Open MPI's mpirun needs neither",
    ],
  });
}
