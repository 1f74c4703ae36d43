import { FormatError } from "./errors.ts";

/** Narrows a 64-bit count or offset read from a file to a number; larger ones are hostile. */
export function toSafeInteger(value: bigint, what: string, path: string, offset?: number): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new FormatError("count-out-of-range", `${what} is ${value}, expected 0 to 2^53-1`, {
      path,
      ...(offset === undefined ? {} : { offset }),
    });
  }
  return Number(value);
}
