/** One self-erasing line on stderr: how far, how fast, how long yet. */
import { oneLine } from "./error-text.ts";

export interface ProgressUpdate {
  /** What is going on, e.g. "converting". */
  readonly label: string;
  /** Units done so far and in total, e.g. rows. Without a total no percentage and no time left. */
  readonly done: number;
  readonly total?: number;
  /** Plural, e.g. "rows". Default "rows". */
  readonly unit?: string;
  /** Bytes written or read so far; shown as a rate. */
  readonly bytesDone?: number;
}

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const REDRAW_MS = 100;
const SMOOTHING_MS = 3_000;

/** Silent unless the stream is a terminal. Dispose or `clear()` before printing anything else. */
export class ProgressLine implements Disposable {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  #label = "";
  #startedMs = 0;
  #window: { atMs: number; done: number; bytes: number }[] = [];
  #drawnMs = Number.NEGATIVE_INFINITY;
  #shown = false;

  constructor(
    stream: ProgressStream = process.stderr,
    now: () => number = () => performance.now(),
  ) {
    this.#stream = stream;
    this.#now = now;
  }

  update(update: ProgressUpdate): void {
    if (this.#stream.isTTY !== true) return;
    const nowMs = this.#now();
    if (update.label !== this.#label) {
      this.#label = update.label;
      this.#startedMs = nowMs;
      this.#window = [];
      this.#drawnMs = Number.NEGATIVE_INFINITY;
    }
    const finished = update.done === update.total;
    if (nowMs - this.#drawnMs < REDRAW_MS && !finished) return;
    this.#drawnMs = nowMs;
    this.#window.push({ atMs: nowMs, done: update.done, bytes: update.bytesDone ?? 0 });
    while (this.#window.length > 2 && nowMs - (this.#window[1]?.atMs ?? nowMs) > SMOOTHING_MS) {
      this.#window.shift();
    }
    const columns = this.#stream.columns ?? 80;
    const text = this.#text(update, nowMs).slice(0, Math.max(0, columns - 1));
    this.#stream.write(`\r${text}\u001b[K`);
    this.#shown = true;
  }

  clear(): void {
    if (this.#shown) this.#stream.write("\r\u001b[K");
    this.#shown = false;
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #text(update: ProgressUpdate, nowMs: number): string {
    const unit = update.unit ?? "rows";
    const parts: string[] = [];
    const { done, total } = update;
    if (total === undefined) parts.push(`${formatCount(done)} ${unit}`);
    else {
      const percent = total > 0 ? Math.floor((100 * done) / total) : 100;
      parts.push(`${percent}%  ${formatCount(done)} of ${formatCount(total)} ${unit}`);
    }
    const first = this.#window[0];
    const last = this.#window.at(-1);
    const seconds = first && last ? (last.atMs - first.atMs) / 1000 : 0;
    if (first && last && seconds > 0) {
      const perSecond = (last.done - first.done) / seconds;
      parts.push(`${formatCount(perSecond)} ${unit}/s`);
      const bytesPerSecond = (last.bytes - first.bytes) / seconds;
      if (bytesPerSecond > 0) parts.push(`${formatBytes(bytesPerSecond)}/s`);
      if (total !== undefined && done < total && perSecond > 0) {
        parts.push(`${formatDuration((total - done) / perSecond)} left`);
      }
    }
    if (total !== undefined && done === total) {
      parts.push(`in ${formatDuration((nowMs - this.#startedMs) / 1000)}`);
    }
    return oneLine(`${update.label}  ${parts.join("  ")}`);
  }
}

/** 1234567 -> "1.23 M"; below ten thousand in full, with separators. */
export function formatCount(count: number): string {
  if (count < 10_000) return Math.round(count).toLocaleString("en-US");
  const units = ["k", "M", "G", "T"];
  let value = count;
  let unit = "";
  for (const next of units) {
    if (value < 999.5) break;
    value /= 1000;
    unit = next;
  }
  return `${value.toPrecision(3)} ${unit}`;
}

/** 1536 -> "1.50 KiB". */
export function formatBytes(bytes: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB"];
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  let value = bytes;
  let unit = "";
  for (const next of units) {
    if (value < 1000) break;
    value /= 1024;
    unit = next;
  }
  return `${value.toPrecision(3)} ${unit}`;
}

/** Seconds as "12 s", "3 m 05 s" or "2 h 14 m". */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} m ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} m`;
}
