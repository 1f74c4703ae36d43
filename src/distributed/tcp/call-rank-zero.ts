import type { Socket } from "node:net";
import { RankError } from "../communicator.ts";
import { seconds } from "../time-limit.ts";
import { call } from "./call.ts";
import { firstLine, isNews } from "./hello.ts";
import {
  type Lines,
  type MeetingPoint,
  type MeetOptions,
  notCome,
  PORTS,
  type WaitingNotice,
} from "./meeting.ts";
import { lostRank } from "./wire.ts";

/** Beyond its own limit another rank waits for what rank 0 finds out. */
const VERDICT_MS = 2000;

/** Another rank: calls rank 0 until it answers, then waits with it for the others. */
export async function callRankZero(
  point: MeetingPoint,
  options: MeetOptions,
  notice: WaitingNotice,
): Promise<Lines> {
  const { rank, timeoutMs } = options;
  const deadline = performance.now() + timeoutMs;
  const there = new Map<number, string>();
  for (;;) {
    const lines = await firstAnswer(point, options, deadline, there);
    if (lines === null) break;
    const [talk, life] = lines;
    try {
      if (await othersHaveCome(talk, { point, options, notice, deadline })) {
        return { talk: new Map([[0, talk]]), life: new Map([[0, life]]) };
      }
    } catch (error) {
      talk.destroy();
      life.destroy();
      throw error;
    }
    // It was a second rank 0.
    talk.destroy();
    life.destroy();
  }
  const ports = `port ${point.port} to ${point.port + PORTS - 1}`;
  const message = `rank ${rank} did not find rank 0 at ${point.host}, ${ports}, in ${seconds(timeoutMs)}`;
  throw new RankError("rendezvous-failed", 0, `${message}: ${summary(there)}`, {
    suggestions: [
      "check MASTER_ADDR and MASTER_PORT, that rank 0 runs, and firewalls",
      "give more time to meet: a larger meetMs (--rank-timeout)",
    ],
  });
}

/** Both lines to rank 0, should it listen at one of the ports before the deadline. */
async function firstAnswer(
  point: MeetingPoint,
  options: MeetOptions,
  deadline: number,
  there: Map<number, string>,
): Promise<readonly [Socket, Socket] | null> {
  const over = new AbortController();
  try {
    // At all ports at once: a stranger at one of them may keep silent.
    return await new Promise((resolve, reject) => {
      const calls = Array.from({ length: PORTS }, (_, offset) =>
        callUntil({ ...point, port: point.port + offset }, options, {
          deadline,
          over: over.signal,
          onOther: (what) => {
            const port = point.port + offset;
            // A call that the deadline cuts short has heard less than those before it.
            if (performance.now() < deadline || !there.has(port)) there.set(port, what);
          },
        }),
      );
      for (const one of calls) {
        one.then((lines) => {
          if (lines === null) return;
          // The first one counts: others leave the meeting that they have come to.
          if (over.signal.aborted) for (const socket of lines) socket.destroy();
          else over.abort();
          resolve(lines);
        }, reject);
      }
      void Promise.allSettled(calls).then(() => resolve(null));
    });
  } finally {
    over.abort();
  }
}

async function callUntil(
  to: MeetingPoint,
  { rank, worldSize }: MeetOptions,
  {
    deadline,
    over,
    onOther,
  }: {
    readonly deadline: number;
    readonly over: AbortSignal;
    readonly onOther: (what: string) => void;
  },
): Promise<readonly [Socket, Socket] | null> {
  const hello = { scdl: "rank", job: to.job, rank, worldSize } as const;
  for (let waitMs = 20; !over.aborted; waitMs = Math.min(2 * waitMs, 1000)) {
    const talk = await call(to, { ...hello, line: "talk" }, deadline, onOther);
    const life = talk === null ? null : await call(to, { ...hello, line: "life" }, deadline);
    if (talk !== null && life !== null) return [talk, life];
    talk?.destroy();
    if (performance.now() + waitMs > deadline) return null;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  return null;
}

/**
 * Whether all are there; false where who answered is not the rank 0 of the others.
 * @throws RankError `rendezvous-failed` with who has not come, `rank-lost` when rank 0 is gone
 */
async function othersHaveCome(
  talk: Socket,
  {
    point,
    options,
    notice,
    deadline,
  }: {
    readonly point: MeetingPoint;
    readonly options: MeetOptions;
    readonly notice: WaitingNotice;
    readonly deadline: number;
  },
): Promise<boolean> {
  for (;;) {
    const restMs = deadline + VERDICT_MS - performance.now();
    const news = await firstLine(talk, Math.max(1, restMs));
    if (!isNews(news)) {
      const isLate = performance.now() >= deadline + VERDICT_MS - 1;
      throw isLate ? notCome(notice.missing, point, options) : lostRank(0);
    }
    if ("again" in news) return false;
    if ("over" in news) {
      throw new RankError("rendezvous-failed", news.rank, news.over, {
        suggestions: ["start every process once, with the same address, port and world size"],
      });
    }
    notice.missing = news.waiting;
    if (news.waiting.length === 0) return true;
  }
}

/** "nothing listens at port 1, 2; something else listens, and says "SSH" at port 3" */
function summary(there: ReadonlyMap<number, string>): string {
  const ports = Map.groupBy(
    [...there.keys()].sort((a, b) => a - b),
    (port) => there.get(port) ?? "",
  );
  return [...ports].map(([what, list]) => `${what} (port ${list.join(", ")})`).join("; ");
}
