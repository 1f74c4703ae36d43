import { createServer, type Server, type Socket } from "node:net";
import { RankError } from "../communicator.ts";
import { withTimeout } from "../time-limit.ts";
import { turnedAway } from "./call.ts";
import { firstLine, type Hello, isHello, type News, sendLine } from "./hello.ts";
import {
  HELLO_MS,
  type Lines,
  type MeetingPoint,
  type MeetOptions,
  notCome,
  PORTS,
  type WaitingNotice,
} from "./meeting.ts";

/** Rank 0: listens until every other rank has come, and tells those that have whom it waits for. */
export async function receiveAll(
  point: MeetingPoint,
  options: MeetOptions,
  notice: WaitingNotice,
): Promise<Lines> {
  const roll = new Roll(options.worldSize);
  const server = createServer();
  let isOver = false;
  const complete = new Promise<void>((resolve) => {
    const changed = (): void => {
      if (isOver) return;
      notice.missing = roll.missing;
      isOver = roll.missing.length === 0;
      roll.tell({ waiting: roll.missing });
      if (isOver) resolve();
    };
    server.on("connection", (socket) => {
      socket.on("error", () => {});
      void firstLine(socket, HELLO_MS).then((hello) => {
        if (isOver || !isHello(hello) || hello.job !== point.job || hello.line === "ring") {
          socket.destroy();
          return;
        }
        const refused = roll.refusal(hello);
        if (refused === null) roll.enter(hello, socket, changed);
        else socket.end(`${JSON.stringify({ ok: false, refused })}\n`);
      });
    });
  });
  try {
    const rival = anotherRankZero(await listenAtOneOf(server, point), point, options);
    const met = Promise.race([complete, rival]);
    await withTimeout(met, options.timeoutMs, () =>
      notCome(roll.missing, point, options, roll.seen),
    );
  } catch (error) {
    const { code, rank, message } = error as Partial<RankError>;
    const isSecond = code === "rendezvous-failed" && rank === 0;
    roll.end(isSecond ? { again: true } : { over: message ?? String(error), rank: rank ?? null });
    throw error;
  } finally {
    isOver = true;
    roll.close();
    server.close();
  }
  return roll.lines;
}

/** Who has come. */
class Roll {
  readonly lines = { talk: new Map<number, Socket>(), life: new Map<number, Socket>() };
  readonly #worldSize: number;
  readonly #left = new Set<number>();
  readonly #refused = new Set<string>();
  readonly #watched = new Map<Socket, () => void>();

  constructor(worldSize: number) {
    this.#worldSize = worldSize;
  }

  get missing(): readonly number[] {
    const { talk, life } = this.lines;
    const others = [...Array(this.#worldSize).keys()].slice(1);
    return others.filter((rank) => !talk.has(rank) || !life.has(rank));
  }

  /** What may say why a rank is missing. */
  get seen(): readonly string[] {
    const left = this.missing.filter((rank) => this.#left.has(rank));
    const gone = left.length === 0 ? [] : [`rank ${left.join(", ")} had come and left again`];
    return [...gone, ...this.#refused];
  }

  refusal({ rank, worldSize, line }: Hello): string | null {
    const refused = this.#refusalOf(rank, worldSize, line);
    if (refused !== null) this.#refused.add(`a rank ${rank} was turned away: ${refused}`);
    return refused;
  }

  enter({ rank, line }: Hello, socket: Socket, changed: () => void): void {
    const lines = this.lines[line === "life" ? "life" : "talk"];
    lines.set(rank, socket);
    // A rank that goes away before all are there may come again.
    const gone = (): void => {
      if (lines.get(rank) !== socket) return;
      lines.delete(rank);
      this.#left.add(rank);
      changed();
    };
    // Reads nothing, but sees the end.
    const look = (): void => void socket.read(0);
    socket.once("close", gone).on("readable", look);
    this.#watched.set(socket, () => socket.off("close", gone).off("readable", look));
    sendLine(socket, { ok: true });
    changed();
  }

  /** Those that have both lines, and so listen for it. */
  tell(news: News): void {
    const { talk, life } = this.lines;
    for (const [rank, socket] of talk) if (life.has(rank)) sendLine(socket, news);
  }

  /** The meeting has failed. */
  end(news: News): void {
    this.close();
    this.tell(news);
    for (const socket of this.lines.talk.values()) socket.end().unref();
    for (const socket of this.lines.life.values()) socket.destroy();
  }

  /** The sockets are others' from now on. */
  close(): void {
    for (const unwatch of this.#watched.values()) unwatch();
    this.#watched.clear();
  }

  #refusalOf(rank: number, worldSize: number, line: Hello["line"]): string | null {
    const expected = this.#worldSize;
    if (worldSize !== expected)
      return `it has ${worldSize} processes in its environment, rank 0 has ${expected}`;
    if (rank < 0 || rank >= expected) return `there is no rank ${rank} of ${expected}`;
    const isThere = rank === 0 || this.lines[line === "life" ? "life" : "talk"].has(rank);
    return isThere ? `rank ${rank} is there twice` : null;
  }
}

/** Never ends, unless one of the ports that were taken is held by a rank 0 of this job: then it rejects. */
async function anotherRankZero(
  taken: readonly number[],
  { host, job }: MeetingPoint,
  { worldSize }: MeetOptions,
): Promise<never> {
  const hello = { scdl: "rank", job, rank: 0, worldSize, line: "talk" } as const;
  await Promise.all(
    taken.map(async (port) => {
      const refused = await turnedAway({ host, port }, hello);
      if (refused === null) return;
      const message = `rank 0 is there twice: another process is rank 0 at ${host}, port ${port}`;
      throw new RankError("rendezvous-failed", 0, `${message} (it says: ${refused})`, {
        suggestions: [
          "start every process once, each with a RANK of its own",
          "if it is another job, give a MASTER_PORT of its own to all processes of this one",
        ],
      });
    }),
  );
  return new Promise<never>(() => {});
}

/**
 * At the address that the others call, so that no one else can; at all where that is not this computer's.
 * @returns ports before it that are taken
 */
async function listenAtOneOf(
  server: Server,
  { host, port }: MeetingPoint,
): Promise<readonly number[]> {
  let last: unknown = null;
  const taken: number[] = [];
  for (const address of [host, undefined]) {
    for (let offset = 0; offset < PORTS; offset++) {
      try {
        await listen(server, port + offset, address);
        return taken;
      } catch (error) {
        last = error;
        const code = error instanceof Error && "code" in error ? error.code : "";
        if (code === "EADDRNOTAVAIL") break;
        if (code !== "EADDRINUSE" && code !== "EACCES") throw unusable(host, port, error);
        if (code === "EADDRINUSE") taken.push(port + offset);
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
