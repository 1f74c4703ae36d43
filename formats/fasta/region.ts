/** Regions as samtools writes them: `name`, `name:5-10`, `{name}:5-10`, counted from 1. */
import { InvalidArgumentError, NotFoundError } from "../common/errors.ts";

/** Residues `begin` to `end - 1` of a record, counted from 0. */
export interface FastaRegion {
  readonly row: number;
  readonly begin: number;
  readonly end: number;
}

const TO_THE_END = Number.MAX_SAFE_INTEGER;

/**
 * The rules are htslib's: the whole text is a name before it is a name and a range; numbers may have
 * commas, a fraction, an exponent or k, M, G; `:5` and `:5-` go to the end, `:-5` begins at the first.
 *
 * @param rowOf the row of a name, or -1
 * @param path of the file, for errors
 * @throws NotFoundError for a name that is not there, InvalidArgumentError for a range that is none
 */
export function parseRegion(
  region: string,
  rowOf: (name: string) => number,
  path: string,
): FastaRegion {
  const isBraced = region.startsWith("{");
  const close = isBraced ? region.indexOf("}") : -1;
  if (isBraced && close < 0) throw badRegion(region, 'a "}" for the "{"');
  const hasRange = isBraced ? region[close + 1] === ":" : region.includes(":");
  const colon = hasRange ? (isBraced ? close + 1 : region.lastIndexOf(":")) : -1;
  if (colon < 0) {
    const name = isBraced ? region.slice(1, -1) : region;
    return { row: found(rowOf(name), region, path), begin: 0, end: TO_THE_END };
  }
  const name = isBraced ? region.slice(1, close) : region.slice(0, colon);
  if (!isBraced) {
    const row = rowOf(region);
    if (row >= 0 && rowOf(name) >= 0) {
      const range = region.slice(colon);
      throw badRegion(region, `{${region}} or {${name}}${range}, as both names are there`);
    }
    if (row >= 0) return { row, begin: 0, end: TO_THE_END };
  }
  const row = found(rowOf(name), region, path);
  return { row, ...parseRange(region.slice(colon + 1), region) };
}

function parseRange(text: string, region: string): { begin: number; end: number } {
  const first = parseNumber(text);
  const begin = first.value - 1;
  let rest = text.slice(first.length);
  if (begin < 0) {
    if (rest.startsWith("-")) throw badRegion(region, "a number above 0");
    if (rest === "" || /^\d/.test(rest)) {
      return { begin: 0, end: begin === -1 ? TO_THE_END : -(begin + 1) };
    }
    if (begin < -1) throw badRegion(region, `nothing behind the number, not ${rest}`);
  }
  let end = TO_THE_END;
  if (rest.startsWith("-")) {
    const last = parseNumber(rest.slice(1));
    rest = rest.slice(1 + last.length);
    if (rest !== "" && !rest.startsWith(",")) throw badRegion(region, "a number behind the -");
    end = last.value === 0 ? TO_THE_END : last.value;
  } else if (rest !== "") {
    throw badRegion(region, "numbers behind the colon");
  }
  if (begin >= end) throw badRegion(region, "a range that ends where it begins, or later");
  return { begin, end };
}

/** As hts_parse_decimal: 0, and no characters, where there is no number. */
function parseNumber(text: string): { value: number; length: number } {
  const match = /^\s*([+-]?)([\d,]*)(?:\.(\d*))?(?:[eE]([+-]?\d*)|([kKmMgG]))?/.exec(text);
  const [all = "", sign, whole = "", fraction = "", exponent, suffix] = match ?? [];
  const digits = whole.replaceAll(",", "");
  if (digits === "" && fraction === "") return { value: 0, length: 0 };
  const power = exponent === undefined ? (powerOf(suffix) ?? 0) : Number(exponent) || 0;
  // Shifting digits, as multiplying by a fraction would round.
  const shifted = `${digits}${fraction}`;
  const places = power - fraction.length;
  const value = places >= 0 ? Number(shifted) * 10 ** places : Number(shifted.slice(0, places));
  return { value: sign === "-" ? -value : value, length: all.length };
}

function powerOf(suffix: string | undefined): number | undefined {
  if (suffix === undefined) return undefined;
  return { k: 3, m: 6, g: 9 }[suffix.toLowerCase()];
}

function found(row: number, region: string, path: string): number {
  if (row >= 0) return row;
  const said = JSON.stringify(region);
  throw new NotFoundError("no-such-record", `${path}: no record for the region ${said}`, {
    what: region,
    suggestions: [
      "regions are NAME, NAME:FIRST-LAST or, for a name with a colon, {NAME}:FIRST-LAST",
      "names end at the first white space of a header",
    ],
  });
}

function badRegion(region: string, expected: string): InvalidArgumentError {
  return new InvalidArgumentError(
    "region",
    region,
    `region ${JSON.stringify(region)}: expected ${expected}`,
    { suggestions: ["NAME:5-10 are residues 5 to 10, the first of which is 1"] },
  );
}
