/** A flag given twice: the last one is meant, as Python's argparse has it. */

/** What is asked of a flag's definition. */
interface FlagKind {
  readonly type: "boolean" | "option";
  readonly multiple?: boolean | undefined;
  readonly char?: string | undefined;
  readonly aliases?: readonly string[] | undefined;
  readonly charAliases?: readonly string[] | undefined;
}

/**
 * The command line without the values that a later one of the same flag replaces; scripts append to a
 * line of flags what they want otherwise. Flags that take several values keep all.
 */
export function lastGiven(
  argv: readonly string[],
  flags: Readonly<Record<string, FlagKind>>,
): string[] {
  const names = namesOf(flags);
  const taken: { readonly words: readonly string[]; readonly flag: string | null }[] = [];
  const last = new Map<string, number>();
  for (let at = 0; at < argv.length; ) {
    const word = argv[at] ?? "";
    if (word === "--") {
      taken.push({ words: argv.slice(at), flag: null });
      break;
    }
    const { flag, hasValue } = flagOf(word, names);
    const kind = flag === null ? undefined : flags[flag];
    if (flag === null || kind?.type !== "option" || kind.multiple === true) {
      taken.push({ words: [word], flag: null });
      at++;
      continue;
    }
    const next = argv[at + 1];
    // A flag in the place of the value is left for the parser to complain of.
    const takesNext = !hasValue && next !== undefined && flagOf(next, names).flag === null;
    if (hasValue || takesNext) last.set(flag, taken.length);
    const words = argv.slice(at, at + (takesNext ? 2 : 1));
    taken.push({ words, flag: hasValue || takesNext ? flag : null });
    at += takesNext ? 2 : 1;
  }
  return taken.flatMap(({ words, flag }, at) =>
    flag === null || last.get(flag) === at ? words : [],
  );
}

/** `--name` and `-c`, other names included, with the flag that each is. */
function namesOf(flags: Readonly<Record<string, FlagKind>>): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [name, { aliases = [], char, charAliases = [] }] of Object.entries(flags)) {
    for (const long of [name, ...aliases]) names.set(`--${long}`, name);
    for (const short of [...(char === undefined ? [] : [char]), ...charAliases]) {
      names.set(`-${short}`, name);
    }
  }
  return names;
}

/** The flag of a word: `--name`, `--name=value`, `-c` or `-cvalue`. */
function flagOf(
  word: string,
  names: ReadonlyMap<string, string>,
): { readonly flag: string | null; readonly hasValue: boolean } {
  const whole = names.get(word);
  if (whole !== undefined) return { flag: whole, hasValue: false };
  const start = word.startsWith("--") ? word.split("=", 1)[0] : word.slice(0, 2);
  const hasValue = word.startsWith("--") ? word.includes("=") : word.length > 2;
  return { flag: hasValue ? (names.get(start ?? "") ?? null) : null, hasValue };
}
