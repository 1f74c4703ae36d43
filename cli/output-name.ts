import { InvalidArgumentError } from "../formats/common/errors.ts";

/**
 * The name of something to write, as given. Bytes that are not UTF-8 have become U+FFFD on their way
 * into this process: written as it stands, the name would be another.
 *
 * @throws InvalidArgumentError
 */
export function outputName(flag: string, name: string): string {
  if (!name.includes("\ufffd")) return name;
  throw new InvalidArgumentError(flag, name, `--${flag}: the name "${name}" is not UTF-8`, {
    suggestions: ["choose a name that is UTF-8"],
  });
}
