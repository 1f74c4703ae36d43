import type { Socket } from "node:net";
import { LONGEST_MS } from "../time-limit.ts";

/** What a process says first on a connection: one line of JSON. */
export interface Hello {
  readonly scdl: "rank";
  /** Of the job: others that listen or call on the same port are turned away. */
  readonly job: string;
  readonly rank: number;
  readonly worldSize: number;
  /** "talk" for operations, "life" for news of failures, "ring" to the next rank. */
  readonly line: "talk" | "life" | "ring";
}

/** The answer; with `refused` the caller must not try again. */
export type Answer = { readonly ok: true } | { readonly ok: false; readonly refused: string };

/**
 * What rank 0 says on the line for operations to those that have come, until all are there: whom it
 * waits for (nobody: all are there), why the meeting is over, or that another process is rank 0.
 */
export type News =
  | { readonly waiting: readonly number[] }
  | { readonly over: string; readonly rank: number | null }
  | { readonly again: true };

const MOST_BYTES = 1 << 16;
/** Of what a stranger says. */
const MOST_SHOWN = 40;

export function sendLine(socket: Socket, value: Hello | Answer | News): void {
  socket.write(`${JSON.stringify(value)}\n`);
}

/**
 * The line that comes first, or null when the other end is silent, closes or speaks otherwise. What
 * follows the line stays in the socket, which is paused.
 *
 * @param onOther is told of the beginning of what is no line of JSON
 */
export function firstLine(
  socket: Socket,
  timeoutMs: number,
  onOther: (text: string) => void = () => {},
): Promise<unknown> {
  return new Promise((resolve) => {
    let text = "";
    const done = (value: unknown): void => {
      clearTimeout(timer);
      socket.pause();
      socket.off("readable", read).off("error", none).off("close", none).off("end", none);
      if (value === null && text !== "") onOther(text.slice(0, MOST_SHOWN));
      resolve(value);
    };
    const none = (): void => done(null);
    const timer = setTimeout(none, Math.min(timeoutMs, LONGEST_MS));
    const read = (): void => {
      // Byte by byte: the next ones are not ours.
      for (;;) {
        const chunk: Uint8Array | null = socket.read(1);
        if (chunk === null) return;
        const byte = chunk[0] ?? 0;
        const isOver = byte === 10 || text.length > MOST_BYTES;
        if (isOver) done(byte === 10 ? parsed(text) : null);
        if (isOver) return;
        text += String.fromCharCode(byte);
      }
    };
    socket.on("readable", read).on("error", none).on("close", none).on("end", none);
    read();
    if (socket.destroyed || socket.readableEnded) none();
  });
}

export function isHello(value: unknown): value is Hello {
  if (typeof value !== "object" || value === null) return false;
  const { scdl, job, rank, worldSize, line } = value as Partial<Record<keyof Hello, unknown>>;
  return (
    scdl === "rank" &&
    typeof job === "string" &&
    Number.isSafeInteger(rank) &&
    Number.isSafeInteger(worldSize) &&
    (line === "talk" || line === "life" || line === "ring")
  );
}

export function isAnswer(value: unknown): value is Answer {
  if (typeof value !== "object" || value === null || !("ok" in value)) return false;
  return value.ok === true || ("refused" in value && typeof value.refused === "string");
}

export function isNews(value: unknown): value is News {
  if (typeof value !== "object" || value === null) return false;
  const { waiting, over, again } = value as Partial<Record<string, unknown>>;
  if (Array.isArray(waiting)) return waiting.every((rank) => Number.isSafeInteger(rank));
  return typeof over === "string" || again === true;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
