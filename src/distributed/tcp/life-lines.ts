import type { Socket } from "node:net";
import { RankError } from "../communicator.ts";
import { lostRank } from "./wire.ts";

/** News between ranks: one line of JSON each. */
type News =
  | { readonly kind: "left" }
  | {
      readonly kind: "failed";
      readonly code: RankError["code"];
      readonly rank: number | null;
      readonly message: string;
    };

const MOST_BYTES = 1 << 16;

/**
 * Connections on which nothing is said while all goes well. That one closes means that a rank is
 * gone; rank 0, which has one to each rank, tells the others. As nothing is under way on them, the
 * system notices a computer that is gone in 15 s.
 */
export class LifeLines {
  /** Ranks that have left as they should. */
  readonly left = new Set<number>();
  readonly #lines: ReadonlyMap<number, Socket>;
  readonly #onFailure: (error: RankError) => void;
  #isOver = false;

  constructor(lines: ReadonlyMap<number, Socket>, onFailure: (error: RankError) => void) {
    this.#lines = lines;
    this.#onFailure = onFailure;
    for (const [rank, socket] of lines) this.#watch(rank, socket);
  }

  /** Tells all that are connected. Nothing is heard afterwards. */
  fail(error: RankError): void {
    const { code, rank, message } = error;
    this.#say({ kind: "failed", code: code as RankError["code"], rank, message });
  }

  leave(): void {
    this.#say({ kind: "left" });
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
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5000);
    socket.setEncoding("utf8");
    socket.on("data", (part: string) => {
      if (text.length < MOST_BYTES) text += part;
    });
    const ended = (cause?: Error): void => {
      if (this.#isOver || this.left.has(rank)) return;
      const news = parsed(text);
      if (news?.kind === "left") this.left.add(rank);
      else if (news === null) this.#onFailure(lostRank(rank, cause));
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
    if (news.kind === "left") return { kind: "left" };
    const { code, rank, message } = news as Partial<Record<string, unknown>>;
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
