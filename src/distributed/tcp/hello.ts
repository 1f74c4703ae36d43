import type { Socket } from "node:net";

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

const MOST_BYTES = 4096;

export function sendLine(socket: Socket, value: Hello | Answer): void {
  socket.write(`${JSON.stringify(value)}\n`);
}

/**
 * The line that comes first, or null when the other end is silent, closes or speaks otherwise. What
 * follows the line stays in the socket, which is paused.
 */
export function firstLine(socket: Socket, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve) => {
    let text = "";
    const done = (value: unknown): void => {
      clearTimeout(timer);
      socket.pause();
      socket.off("readable", read).off("error", none).off("close", none).off("end", none);
      resolve(value);
    };
    const none = (): void => done(null);
    const timer = setTimeout(none, timeoutMs);
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

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
