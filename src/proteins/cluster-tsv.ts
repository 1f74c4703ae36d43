import { StringDecoder } from "node:string_decoder";
import { FormatError } from "../../formats/common/errors.ts";
import { textChunks } from "../../formats/table/text-chunks.ts";
import type { Pair } from "./cluster-pairs.ts";

/** A line longer than this is no pair of names: the file has no lines, or is no text. */
const MAX_LINE_LENGTH = 1 << 20;
const HEADERS: ReadonlySet<string> = new Set([
  "cluster_id\tmember_id",
  "cluster\tmember",
  "ur50_id\tur90_id",
]);

/**
 * The lines `cluster<TAB>member` of a text, as `mmseqs createtsv` writes them, a chunk at a time.
 * A header with the usual words is skipped, and so are blank lines.
 *
 * @throws FormatError naming the line that is no pair
 */
export async function* tsvPairs(
  path: string,
  signal?: AbortSignal,
): AsyncGenerator<readonly Pair[]> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  let line = 0;
  const parse = (lines: readonly string[]): Pair[] => {
    const pairs: Pair[] = [];
    for (const text of lines) {
      const pair = pairOf(text, ++line, path);
      if (pair !== null) pairs.push(pair);
    }
    return pairs;
  };
  for await (const chunk of textChunks(path)) {
    signal?.throwIfAborted();
    // The stream is one of bytes.
    const lines = (rest + decoder.write(chunk as Buffer)).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE_LENGTH) throw notAPair(path, line + 1, rest);
    yield parse(lines);
  }
  rest += decoder.end();
  if (rest !== "") yield parse([rest]);
}

function pairOf(text: string, line: number, path: string): Pair | null {
  const trimmed = text.endsWith("\r") ? text.slice(0, -1) : text;
  if (trimmed === "" || (line === 1 && HEADERS.has(trimmed.toLowerCase()))) return null;
  const tab = trimmed.indexOf("\t");
  if (tab <= 0 || tab === trimmed.length - 1 || trimmed.indexOf("\t", tab + 1) >= 0) {
    throw notAPair(path, line, trimmed);
  }
  return { cluster: trimmed.slice(0, tab), member: trimmed.slice(tab + 1), place: `line ${line}` };
}

function notAPair(path: string, line: number, text: string): FormatError {
  const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
  return new FormatError("bad-row", `line ${line}: expected "cluster<TAB>member", found ${shown}`, {
    path,
    suggestions: ["write it with mmseqs createtsv, or as parquet with a column ur90_id"],
  });
}
