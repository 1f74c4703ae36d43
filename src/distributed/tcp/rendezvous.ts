import { connect, createServer, type Server, type Socket } from "node:net";
import { RankError } from "../communicator.ts";
import { seconds, withTimeout } from "../time-limit.ts";
import { firstLine, type Hello, isAnswer, isHello, sendLine } from "./hello.ts";

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
}

/** Connections to rank 0, or those of rank 0 to all others, by rank. */
export interface Lines {
  readonly talk: ReadonlyMap<number, Socket>;
  readonly life: ReadonlyMap<number, Socket>;
}

/** Ports beginning with that of the meeting point: others may hold the first ones. */
export const PORTS = 8;
const HELLO_MS = 5000;

/**
 * Connects every rank with rank 0.
 * @throws RankError `rendezvous-failed` with who is missing, or why this process was turned away
 */
export function meet(point: MeetingPoint, options: MeetOptions): Promise<Lines> {
  return options.rank === 0 ? receiveAll(point, options) : callRankZero(point, options);
}

async function receiveAll(point: MeetingPoint, options: MeetOptions): Promise<Lines> {
  const { worldSize, timeoutMs } = options;
  const lines = { talk: new Map<number, Socket>(), life: new Map<number, Socket>() };
  const server = createServer();
  let isComplete = false;
  const complete = new Promise<void>((resolve) => {
    server.on("connection", (socket) => {
      socket.on("error", () => {});
      void firstLine(socket, HELLO_MS).then((hello) => {
        if (isComplete || !isHello(hello) || hello.job !== point.job || hello.line === "ring") {
          socket.destroy();
          return;
        }
        const refused = refusal(hello, worldSize, lines[hello.line]);
        if (refused !== null) {
          sendLine(socket, { ok: false, refused });
          socket.end();
          return;
        }
        const { line, rank } = hello;
        lines[line].set(rank, socket);
        // A rank that goes away before all are there may come again.
        socket.once("close", () => {
          if (!isComplete && lines[line].get(rank) === socket) lines[line].delete(rank);
        });
        sendLine(socket, { ok: true });
        isComplete = lines.talk.size === worldSize - 1 && lines.life.size === worldSize - 1;
        if (isComplete) resolve();
      });
    });
  });
  await listenAtOneOf(server, point);
  try {
    await withTimeout(complete, timeoutMs, () => {
      const missing = [...Array(worldSize).keys()].slice(1).filter((r) => !lines.life.has(r));
      return new RankError(
        "rendezvous-failed",
        missing[0] ?? null,
        `rank ${missing.join(", ")} of ${worldSize} did not come to ${point.host}:${point.port} in ${seconds(timeoutMs)}`,
        { suggestions: ["start every process with the same address, port and world size"] },
      );
    });
  } catch (error) {
    for (const socket of [...lines.talk.values(), ...lines.life.values()]) socket.destroy();
    throw error;
  } finally {
    isComplete = true;
    server.close();
  }
  return lines;
}

function refusal(
  { rank, worldSize }: Hello,
  expected: number,
  present: ReadonlyMap<number, unknown>,
): string | null {
  if (worldSize !== expected)
    return `it has ${worldSize} processes in its environment, rank 0 has ${expected}`;
  if (rank < 1 || rank >= expected) return `there is no rank ${rank} of ${expected}`;
  return present.has(rank) ? `there is a rank ${rank} already` : null;
}

/** At the address that the others call, so that no one else can; at all where that is not this computer's. */
async function listenAtOneOf(server: Server, { host, port }: MeetingPoint): Promise<void> {
  let last: unknown = null;
  for (const address of [host, undefined]) {
    for (let offset = 0; offset < PORTS; offset++) {
      try {
        await listen(server, port + offset, address);
        return;
      } catch (error) {
        last = error;
        const code = error instanceof Error && "code" in error ? error.code : "";
        if (code === "EADDRNOTAVAIL") break;
        if (code !== "EADDRINUSE" && code !== "EACCES") throw unusable(host, port, error);
      }
    }
    const code = last instanceof Error && "code" in last ? last.code : "";
    if (code !== "EADDRNOTAVAIL") break;
  }
  throw unusable(host, port, last);
}

function unusable(host: string, port: number, cause: unknown): RankError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new RankError(
    "rendezvous-failed",
    0,
    `rank 0 cannot listen at ${host}, port ${port} to ${port + PORTS - 1}: ${why}`,
    { cause, suggestions: ["give another MASTER_PORT to all processes"] },
  );
}

export function listen(server: Server, port: number, host?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function callRankZero(point: MeetingPoint, options: MeetOptions): Promise<Lines> {
  const deadline = performance.now() + options.timeoutMs;
  const over = new AbortController();
  try {
    // At all ports at once: a stranger at one of them may keep silent.
    const found = await new Promise<Lines | null>((resolve, reject) => {
      const calls = Array.from({ length: PORTS }, (_, offset) =>
        callUntil({ ...point, port: point.port + offset }, options, deadline, over.signal),
      );
      for (const one of calls) one.then((lines) => lines !== null && resolve(lines), reject);
      void Promise.allSettled(calls).then(() => resolve(null));
    });
    if (found !== null) return found;
  } finally {
    over.abort();
  }
  const { rank, timeoutMs } = options;
  const ports = `port ${point.port} to ${point.port + PORTS - 1}`;
  const message = `rank ${rank} did not find rank 0 at ${point.host}, ${ports}, in ${seconds(timeoutMs)}`;
  throw new RankError("rendezvous-failed", 0, message, {
    suggestions: ["check MASTER_ADDR and MASTER_PORT, that rank 0 runs, and firewalls"],
  });
}

/** Both lines to rank 0, should it listen at this port before the deadline. */
async function callUntil(
  to: MeetingPoint,
  { rank, worldSize }: MeetOptions,
  deadline: number,
  over: AbortSignal,
): Promise<Lines | null> {
  const hello = { scdl: "rank", job: to.job, rank, worldSize } as const;
  for (let waitMs = 20; !over.aborted; waitMs = Math.min(2 * waitMs, 1000)) {
    const talk = await call(to, { ...hello, line: "talk" }, deadline);
    const life = talk === null ? null : await call(to, { ...hello, line: "life" }, deadline);
    if (talk !== null && life !== null)
      return { talk: new Map([[0, talk]]), life: new Map([[0, life]]) };
    talk?.destroy();
    if (performance.now() + waitMs > deadline) return null;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  return null;
}

/** A connection that was answered; null where nobody of this job listens. @throws RankError when refused */
export async function call(
  to: { readonly host: string; readonly port: number },
  hello: Hello,
  deadline: number,
): Promise<Socket | null> {
  const socket = connect(to);
  const isOpen = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), Math.min(HELLO_MS, rest(deadline)));
    socket.once("connect", () => resolve(true));
    socket.on("error", () => resolve(false));
    socket.once("close", () => clearTimeout(timer));
    socket.once("connect", () => clearTimeout(timer));
  });
  if (isOpen) {
    sendLine(socket, hello);
    const answer: unknown = await firstLine(socket, Math.min(HELLO_MS, rest(deadline)));
    if (isAnswer(answer)) {
      if (answer.ok) return socket;
      socket.destroy();
      const message = `rank 0 turned rank ${hello.rank} away: ${answer.refused}`;
      throw new RankError("rendezvous-failed", hello.rank, message, {
        suggestions: ["start every process once, with the same world size"],
      });
    }
  }
  socket.destroy();
  return null;
}

function rest(deadline: number): number {
  return Math.max(1, deadline - performance.now());
}
