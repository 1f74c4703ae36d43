import { ScdlError } from "../../../formats/common/errors.ts";
import type { FailedAllocation } from "./memory-reports.ts";

const SIZE = "(\\d+(?:\\.\\d+)?) ?(bytes|[KMGT]iB)";
const TRIED = new RegExp(`[Tt]ried to allocate ${SIZE}`);
const FREE = new RegExp(`${SIZE} is free`);
const OUT_OF_MEMORY = /out of memory|can't allocate memory|CUBLAS_STATUS_ALLOC_FAILED/i;
const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/** What is known of the memory when a call has failed. */
export interface MemoryAtFailure {
  /** An allocation that failed in the call. */
  readonly failed: FailedAllocation | null;
  /** Bytes the device has left; null where nobody says. */
  readonly freeBytes: () => number | null;
}

/**
 * What libtorch reports as a typed error: "out-of-memory" with the bytes asked for and free, or
 * "libtorch". Who knows what the memory was for adds what to make smaller.
 *
 * @param message null for versions before 2.13, which print it instead of giving it
 */
export function errorOfLibtorch(
  what: string,
  message: string | null,
  { failed, freeBytes }: MemoryAtFailure,
): ScdlError {
  const isMemory = message === null ? failed !== null : OUT_OF_MEMORY.test(message);
  if (!isMemory) {
    const reason = message?.split("\n")[0];
    const text = reason === undefined ? `${what} failed; it printed the reason above` : reason;
    return new ScdlError("libtorch", `libtorch: ${reason === undefined ? "" : `${what}: `}${text}`);
  }
  const asked = failed?.askedBytes ?? bytesIn(message, TRIED);
  const free = bytesIn(message, FREE) ?? freeBytes();
  const counts =
    (asked === null ? "" : `: asked for ${sizeText(asked)}`) +
    (free === null ? "" : `, ${sizeText(free)} free`);
  return new ScdlError("out-of-memory", `out of memory in ${what}${counts}`, {
    suggestions: ["run fewer or shorter rows at a time", "see what else uses the device"],
  });
}

function bytesIn(message: string | null, pattern: RegExp): number | null {
  const [, count, unit = ""] = pattern.exec(message ?? "") ?? [];
  return count === undefined ? null : Number(count) * 1024 ** UNITS.indexOf(unit);
}

function sizeText(bytes: number): string {
  const unit = Math.max(0, Math.min(4, Math.floor(Math.log2(bytes) / 10)));
  return `${(bytes / 1024 ** unit).toFixed(unit === 0 ? 0 : 2)} ${UNITS[unit]}`;
}
