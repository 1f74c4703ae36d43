/** Command lines written for bionemo-scdl's convert_h5ad_to_scdl, whose parser is Python's argparse. */
import { boolean, string } from "@oclif/core/flags";
import { InvalidArgumentError } from "../formats/common/errors.ts";

const GROUP = { helpGroup: "convert_h5ad_to_scdl" };

/** Its flags, but for --data-dtype, which is the same here. */
export const ORIGINAL_FLAGS = {
  "data-path": string({ ...GROUP, summary: "Same as INPUT." }),
  "save-path": string({ ...GROUP, summary: "Same as --output." }),
  "num-workers": string({ ...GROUP, summary: "Same as --workers." }),
  "use-X-not-raw": boolean({ ...GROUP, summary: "Same as --matrix X." }),
  "use-mp": boolean({ ...GROUP, summary: "Accepted, no effect." }),
  "paginated-load-cutoff": string({ ...GROUP, summary: "Accepted, no effect." }),
  "load-block-row-size": string({ ...GROUP, summary: "Accepted, no effect." }),
};

const ORIGINAL_NAMES: readonly string[] = [...Object.keys(ORIGINAL_FLAGS), "data-dtype"];

/**
 * The command line with every beginning of one of the original's flags spelled out, as argparse
 * reads `--num-w 4`. A flag of this program (`known`) is what it is, and a beginning of several
 * flags of the original is left for the parser to refuse.
 */
export function spelledOut(argv: readonly string[], known: readonly string[]): string[] {
  const end = argv.indexOf("--");
  return argv.map((word, at) => {
    const [, name, value = ""] = /^--([^=]+)(=.*)?$/s.exec(word) ?? [];
    if (name === undefined || known.includes(name) || (end >= 0 && at > end)) return word;
    const meant = ORIGINAL_NAMES.filter((flag) => flag.startsWith(name));
    return meant.length === 1 ? `--${meant[0]}${value}` : word;
  });
}

/** What Python's `int` makes of a flag: `10_000` too. @throws InvalidArgumentError */
export function pythonInteger(flag: string, text: string): number {
  if (/^\s*[+-]?\d+(_\d+)*\s*$/.test(text)) return Number(text.replaceAll("_", ""));
  throw new InvalidArgumentError(flag, text, `--${flag}: expected an integer, found "${text}"`);
}
