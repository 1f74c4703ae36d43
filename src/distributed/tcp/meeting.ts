import type { Socket } from "node:net";
import { RankError } from "../communicator.ts";
import { seconds } from "../time-limit.ts";

/** Where the processes of a job meet. */
export interface MeetingPoint {
  /** Of the computer of rank 0. */
  readonly host: string;
  /** The first of {@link PORTS} that rank 0 tries to listen on. */
  readonly port: number;
  /** What tells this job from others at the same place. */
  readonly job: string;
}

export interface MeetOptions {
  readonly rank: number;
  readonly worldSize: number;
  readonly timeoutMs: number;
  /** Is told which ranks have not come: after `noticeMs`, and when others have come since. */
  readonly onWaiting?: ((ranks: readonly number[]) => void) | undefined;
  /** Default 5,000. */
  readonly noticeMs?: number | undefined;
}

/** Connections to rank 0, or those of rank 0 to all others, by rank. */
export interface Lines {
  readonly talk: ReadonlyMap<number, Socket>;
  readonly life: ReadonlyMap<number, Socket>;
}

/** Ports beginning with that of the meeting point: others may hold the first ones. */
export const PORTS = 8;
export const HELLO_MS = 5000;

/** Tells who is waited for, once that takes long. */
export class WaitingNotice {
  readonly #tell: (ranks: readonly number[]) => void;
  readonly #timer: NodeJS.Timeout;
  /** Another rank hears of the others from rank 0. */
  #missing: readonly number[];
  #isLong = false;

  constructor({ rank, worldSize, onWaiting, noticeMs = 5000 }: MeetOptions) {
    this.#tell = (ranks) => onWaiting?.(ranks);
    this.#missing = rank === 0 ? [...Array(worldSize).keys()].slice(1) : [0];
    this.#timer = setTimeout(() => {
      this.#isLong = true;
      this.#tell(this.#missing);
    }, noticeMs);
  }

  set missing(ranks: readonly number[]) {
    const isNew = ranks.join() !== this.#missing.join();
    this.#missing = ranks;
    if (isNew && this.#isLong && ranks.length > 0) this.#tell(ranks);
  }

  get missing(): readonly number[] {
    return this.#missing;
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

/** @param others what else rank 0 has seen */
export function notCome(
  missing: readonly number[],
  { host, port }: MeetingPoint,
  { worldSize, timeoutMs }: MeetOptions,
  others: readonly string[] = [],
): RankError {
  const [ranks, have] = missing.length === 1 ? ["rank", "has"] : ["ranks", "have"];
  const who = `${ranks} ${missing.join(", ")} of ${worldSize} ${have} not come`;
  const message = [`${who} to ${host}, port ${port}, in ${seconds(timeoutMs)}`, ...others].join(
    "; ",
  );
  return new RankError("rendezvous-failed", missing[0] ?? null, message, {
    suggestions: [
      `look at ${missing.length === 1 ? "that process" : "those processes"}: was it started, with the same address, port and world size?`,
      "give more time to meet: a larger meetMs (--rank-timeout)",
    ],
  });
}
