/** Python's fnmatch: `*`, `?`, `[abc]`, `[!a-z]`; anything else stands for itself. */
export function matcher(patterns: readonly string[]): (text: string) => boolean {
  const expressions = patterns.map((pattern) => new RegExp(`^(?:${translate(pattern)})$`, "su"));
  const known = new Map<string, boolean>();
  return (text) => {
    let matches = known.get(text);
    if (matches === undefined) {
      matches = expressions.some((expression) => expression.test(text));
      // Samples of a data set share their fields; a set that does not must not fill the memory.
      if (known.size < 10_000) known.set(text, matches);
    }
    return matches;
  };
}

function translate(pattern: string): string {
  let expression = "";
  for (let at = 0; at < pattern.length; ) {
    const character = pattern[at++] as string;
    if (character === "*") {
      expression += "[^]*";
    } else if (character === "?") {
      expression += ".";
    } else if (character === "[") {
      // The first character of a set may be the closing bracket.
      const from = at + (pattern[at] === "!" ? 1 : 0);
      const end = pattern.indexOf("]", from + 1);
      if (end < 0) {
        expression += "\\[";
      } else {
        expression += characterSet(pattern.slice(at, end));
        at = end + 1;
      }
    } else {
      expression += character === "-" ? character : escaped(character);
    }
  }
  return expression;
}

function characterSet(inside: string): string {
  const isNegated = inside.startsWith("!");
  const members = isNegated ? inside.slice(1) : inside;
  const parts: string[] = [];
  for (let at = 0; at < members.length; ) {
    const first = members[at] as string;
    const last = members[at + 2];
    if (members[at + 1] === "-" && last !== undefined) {
      // A range that runs backwards is empty.
      if (first <= last) parts.push(`${escaped(first)}-${escaped(last)}`);
      at += 3;
    } else {
      parts.push(escaped(first));
      at++;
    }
  }
  if (parts.length === 0) return isNegated ? "." : "(?!)";
  return `[${isNegated ? "^" : ""}${parts.join("")}]`;
}

function escaped(character: string): string {
  return /[\^$\\.*+?()[\]{}|/-]/.test(character) ? `\\${character}` : character;
}
