import type { Socket } from "node:net";
import { RankError } from "../communicator.ts";
import { lostRank } from "./wire.ts";

/** News between ranks: one line of JSON each. */
type News =
  | { readonly kind: "left" }
  /** Where are you? */
  | { readonly kind: "call" }
  /** The number of operations that were begun. */
  | { readonly kind: "here"; readonly operations: number }
  | {
      readonly kind: "failed";
      readonly code: RankError["code"];
      readonly rank: number | null;
      readonly message: string;
    };

const MOST_BYTES = 1 << 16;
/** A process that does not answer for so long is stopped, or stuck in one function. */
const ANSWER_MS = 1000;

/** What a rank says of itself: how many operations it has begun; null when it says nothing. */
export type RollCall = ReadonlyMap<number, number | null>;

/**
 * Connections on which nothing is said while all goes well. That one closes means that a rank is
 * gone; rank 0, which has one to each rank, tells the others. As nothing is under way on them, the
 * system notices a computer that is gone in 15 s. Who hangs is asked here when an operation takes too long.
 */
export class LifeLines {
  /** Ranks that have left as they should. */
  readonly left = new Set<number>();
  readonly #lines: ReadonlyMap<number, Socket>;
  readonly #onFailure: (error: RankError) => void;
  /** Operations that this rank has begun. */
  readonly #operations: () => number;
  readonly #answers = new Map<number, number>();
  #isOver = false;

  constructor(
    lines: ReadonlyMap<number, Socket>,
    onFailure: (error: RankError) => void,
    operations: () => number,
  ) {
    this.#lines = lines;
    this.#onFailure = onFailure;
    this.#operations = operations;
    for (const [rank, socket] of lines) this.#watch(rank, socket);
  }

  /** Tells all that are connected. Nothing is heard afterwards. */
  fail(error: RankError): void {
    const { code, rank, message } = error;
    this.#say({ kind: "failed", code: code as RankError["code"], rank, message });
  }

  /** Asks the ranks at the other ends; ends when all have answered, or after a second. */
  async callRoll(): Promise<RollCall> {
    this.#answers.clear();
    for (const socket of this.#lines.values()) this.#write(socket, { kind: "call" });
    const since = performance.now();
    const isMissing = () => this.#answers.size < this.#lines.size;
    while (isMissing() && !this.#isOver && performance.now() - since < ANSWER_MS) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return new Map([...this.#lines.keys()].map((rank) => [rank, this.#answers.get(rank) ?? null]));
  }

  leave(): void {
    this.#say({ kind: "left" });
  }

  #write(socket: Socket, news: News): void {
    if (!this.#isOver && socket.writable) socket.write(`${JSON.stringify(news)}\n`);
  }

  #say(news: News): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const socket of this.#lines.values()) {
      socket.end(`${JSON.stringify(news)}\n`);
      socket.unref();
    }
  }

  #watch(rank: number, socket: Socket): void {
    let text = "";
    let last: News | null = null;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5000);
    socket.setEncoding("utf8");
    socket.on("data", (part: string) => {
      if (text.length < MOST_BYTES) text += part;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const news of lines.map(parsed)) {
        if (news?.kind === "call") {
          this.#write(socket, { kind: "here", operations: this.#operations() });
        } else if (news?.kind === "here") this.#answers.set(rank, news.operations);
        else last = news;
      }
    });
    const ended = (cause?: Error): void => {
      if (this.#isOver || this.left.has(rank)) return;
      const news = last;
      if (news?.kind === "left") this.left.add(rank);
      else if (news?.kind !== "failed") this.#onFailure(lostRank(rank, cause));
      else this.#onFailure(new RankError(codeOf(news.code), news.rank, news.message));
    };
    socket.on("error", ended);
    socket.on("end", () => ended());
    socket.on("close", () => ended());
    socket.resume();
  }
}

function parsed(text: string): News | null {
  try {
    const news: unknown = JSON.parse(text);
    if (typeof news !== "object" || news === null || !("kind" in news)) return null;
    const { code, rank, message, operations } = news as Partial<Record<string, unknown>>;
    if (news.kind === "left" || news.kind === "call") return { kind: news.kind };
    if (news.kind === "here") {
      return typeof operations === "number" ? { kind: "here", operations } : null;
    }
    if (typeof message !== "string" || typeof code !== "string") return null;
    return {
      kind: "failed",
      code: codeOf(code),
      rank: typeof rank === "number" ? rank : null,
      message,
    };
  } catch {
    return null;
  }
}

function codeOf(code: string): "rank-lost" | "rank-failed" | "ranks-differ" | "rank-timeout" {
  return code === "rank-lost" || code === "ranks-differ" || code === "rank-timeout"
    ? code
    : "rank-failed";
}
