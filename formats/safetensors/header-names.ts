import { FormatError } from "../common/errors.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * A JSON object keeps the last of two members with one name, so they are counted in the text: of
 * the header itself and of the objects in it.
 *
 * @throws FormatError "duplicate-name"
 */
export function assertUnique(
  text: string,
  members: Readonly<Record<string, unknown>>,
  path: string,
): void {
  const [outer, inner] = countMembers(text);
  let innerKept = 0;
  for (const value of Object.values(members)) {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      innerKept += Object.keys(value).length;
    }
  }
  if (outer === Object.keys(members).length && inner === innerKept) return;
  throw new FormatError("duplicate-name", "a name is given twice in the header", {
    path,
    offset: 8,
    suggestions: ["write the file again: it is not clear which of the two is meant"],
  });
}

/** Members of the outermost object, and of the objects directly in it. `text` is valid JSON. */
function countMembers(text: string): [outer: number, inner: number] {
  let depth = 0;
  let outer = 0;
  let inner = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at);
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth++;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth--;
        break;
      case 0x3a: // :
        if (depth === 1) outer++;
        else if (depth === 2) inner++;
        break;
      default:
    }
  }
  return [outer, inner];
}

/** Index of the closing quote of the string that begins at `at`. */
function endOfString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}
