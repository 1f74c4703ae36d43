import { ScdlError } from "../../../formats/common/errors.ts";

const TRIED = /[Tt]ried to allocate (\d+(?:\.\d+)? ?(?:[KMGT]iB|bytes))/;
const FREE = /(\d+(?:\.\d+)? ?(?:[KMGT]iB|bytes)) is free/;
const OUT_OF_MEMORY = /out of memory|can't allocate memory/i;

/**
 * What libtorch reports as a typed error: "out-of-memory" or "libtorch".
 *
 * @param message null for versions before 2.13, which print it instead of giving it
 */
export function errorOfLibtorch(what: string, message: string | null): ScdlError {
  if (message === null) {
    return new ScdlError("libtorch", `libtorch: ${what} failed; it printed the reason above`);
  }
  const first = message.split("\n")[0] ?? "";
  if (!OUT_OF_MEMORY.test(message)) return new ScdlError("libtorch", `libtorch: ${what}: ${first}`);
  const asked = TRIED.exec(message)?.[1];
  const free = FREE.exec(message)?.[1];
  const counts =
    (asked === undefined ? "" : `: asked for ${asked}`) +
    (free === undefined ? "" : `, ${free} free`);
  return new ScdlError("out-of-memory", `out of memory in ${what}${counts}`, {
    suggestions: [
      "make --micro-batch-size smaller and --accumulate-grad-batches larger",
      "make sequences shorter, or pack them: rows of several sequences have no padding",
    ],
  });
}
