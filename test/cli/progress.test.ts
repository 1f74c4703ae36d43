import { expect, test } from "vitest";
import { formatBytes, formatCount, formatDuration, ProgressLine } from "../../cli/progress.ts";

function terminal(columns: number) {
  const writes: string[] = [];
  return { writes, isTTY: true, columns, write: (text: string) => writes.push(text) };
}

test("progress shows share, rates and time left, and erases itself", () => {
  const stream = terminal(120);
  let nowMs = 0;
  const progress = new ProgressLine(stream, () => nowMs);
  progress.update({ label: "converting", done: 0, total: 100_000, bytesDone: 0 });
  nowMs = 2000;
  progress.update({ label: "converting", done: 20_000, total: 100_000, bytesDone: 2 ** 21 });
  expect(stream.writes.at(-1)).toBe(
    "\rconverting  20%  20.0 k of 100 k rows  10.0 k rows/s  1.00 MiB/s  8.0 s left\u001b[K",
  );
  nowMs = 10_000;
  progress.update({ label: "converting", done: 100_000, total: 100_000 });
  expect(stream.writes.at(-1)).toMatch(/100%.*in 10 s/);
  progress.clear();
  expect(stream.writes.at(-1)).toBe("\r\u001b[K");
});

test("progress redraws at most ten times a second and never wraps the line", () => {
  const stream = terminal(20);
  let nowMs = 0;
  const progress = new ProgressLine(stream, () => nowMs);
  for (let row = 0; row < 1000; row++) {
    nowMs = row;
    progress.update({ label: "a label longer than the terminal", done: row });
  }
  expect(stream.writes.length).toBe(10);
  for (const text of stream.writes) expect(text.length).toBeLessThanOrEqual(20 + 4);
});

test("progress is silent when stderr is not a terminal", () => {
  const writes: string[] = [];
  const progress = new ProgressLine({ write: (text) => writes.push(text) });
  progress.update({ label: "x", done: 1, total: 2 });
  progress.clear();
  expect(writes).toEqual([]);
});

test("counts, bytes and durations keep three digits", () => {
  expect([0, 9999, 10_000, 999_600, 1_234_567].map(formatCount)).toEqual([
    "0",
    "9,999",
    "10.0 k",
    "1.00 M",
    "1.23 M",
  ]);
  expect([1023, 1536, 2 ** 30 * 1.5].map(formatBytes)).toEqual(["1023 B", "1.50 KiB", "1.50 GiB"]);
  expect([3.21, 59.4, 185, 8040].map(formatDuration)).toEqual([
    "3.2 s",
    "59 s",
    "3 m 05 s",
    "2 h 14 m",
  ]);
});
