import type { Socket } from "node:net";
import { RankError } from "../communicator.ts";

/** Bytes that may lie unread before the sender is held back. */
const MOST_UNREAD = 4 << 20;

export function lostRank(rank: number, cause?: Error): RankError {
  const why = cause === undefined ? "its connection is closed" : cause.message;
  return new RankError("rank-lost", rank, `rank ${rank} is gone: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    suggestions: [`look at the output of rank ${rank}: it was killed, or its computer is down`],
  });
}

/** A connection whose two ends know how many bytes come next. */
export class Wire {
  /** Who is at the other end. */
  readonly peer: number;
  readonly #socket: Socket;
  readonly #chunks: Uint8Array[] = [];
  #unread = 0;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;

  constructor(socket: Socket, peer: number) {
    this.peer = peer;
    this.#socket = socket;
    socket.setNoDelay(true);
    // Sent by the system, not by this process: a computer that is gone is noticed after 15 s.
    socket.setKeepAlive(true, 5000);
    socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#unread += chunk.length;
      if (this.#unread > MOST_UNREAD) socket.pause();
      this.#wake?.();
    });
    const lost = (cause?: Error): void => this.fail(lostRank(peer, cause));
    socket.on("error", lost);
    socket.on("end", () => lost());
    socket.on("close", () => lost());
    socket.resume();
  }

  /** The address of this computer as the other end sees it. */
  get localAddress(): string {
    return this.#socket.localAddress ?? "127.0.0.1";
  }

  /** Resolves when the system has taken the bytes, which may then change. */
  send(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (bytes.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(this.#failure ?? lostRank(this.peer, error));
        else resolve();
      });
    });
  }

  /** Fills `into`. What came before the other end left can still be read. */
  async receive(into: Uint8Array): Promise<Uint8Array> {
    for (let at = 0; at < into.length; ) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) {
        await this.#more();
        continue;
      }
      const part = chunk.subarray(0, into.length - at);
      into.set(part, at);
      at += part.length;
      this.#unread -= part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
      if (this.#socket.isPaused() && this.#unread <= MOST_UNREAD / 2) this.#socket.resume();
    }
    return into;
  }

  /** Sends and receives reject from now on; bytes that have come can be read. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  /** Ends after what was sent. */
  end(): void {
    this.#socket.end();
    // The other end may never read what is under way.
    this.#socket.unref();
  }

  destroy(error: Error): void {
    this.fail(error);
    this.#chunks.length = 0;
    this.#socket.destroy();
  }

  #more(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        resolve();
      };
    });
  }
}
