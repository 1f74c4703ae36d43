import { existsSync } from "node:fs";
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
  for (const url of list) assertNoPattern(url);
  if (list.length > 0 && list.every((url) => typeof url === "string" && url !== "")) return list;
  throw new InvalidArgumentError("urls", urls, `expected names of shards, found ${describe(urls)}`);
}

/** "*" in a name is a pattern of a shell, unless there is such a file. */
function assertNoPattern(url: unknown): void {
  if (typeof url !== "string" || !url.includes("*") || existsSync(url)) return;
  throw new InvalidArgumentError("urls", url, `${url}: names with "*" are not looked for`, {
    suggestions: [
      'number the shards in braces, e.g. "train-{000000..000009}.tar"',
      "or pass a list of names, e.g. of fs.globSync(pattern).sort()",
    ],
  });
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
