import { InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import { braceExpand } from "./brace-expand.ts";

/** Variables may hold variables; webdataset looks this often. */
const MAX_SUBSTITUTIONS = 10;

/**
 * The shards that `urls` names, in order. A string is split at `::`, `${NAME}` is replaced by the
 * environment variable WDS_NAME, and braces are expanded; a list is taken as it is.
 * @throws InvalidArgumentError when there is none; NotFoundError for a variable that is not set.
 */
export function expandUrls(
  urls: string | readonly string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string[] {
  const list =
    typeof urls === "string"
      ? urls.split("::").flatMap((part) => braceExpand(substitute(part, environment)))
      : [...urls];
  if (list.length > 0 && list.every((url) => typeof url === "string" && url !== "")) return list;
  throw new InvalidArgumentError("urls", urls, `expected names of shards, found ${describe(urls)}`);
}

function describe(urls: string | readonly string[]): string {
  return urls.length === 0 ? "none" : JSON.stringify(urls).slice(0, 200);
}

function substitute(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  let result = text;
  for (let round = 0; round < MAX_SUBSTITUTIONS; round++) {
    const before = result;
    result = before.replace(/\$\{(\w+)\}/g, (_, name: string) => {
      const value = environment[`WDS_${name}`];
      if (value !== undefined) return value;
      throw new NotFoundError("no-such-variable", `${text}: WDS_${name} is not set`, {
        what: `WDS_${name}`,
        suggestions: [`set the environment variable WDS_${name}`],
      });
    });
    if (result === before) break;
  }
  return result;
}
