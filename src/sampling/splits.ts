import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aNumber, checkOptions, shown } from "../../formats/common/options.ts";
import { Bijection } from "./bijection.ts";
import { assertInteger } from "./positions.ts";
import { quotas } from "./quotas.ts";
import { type RowLabels, rowsByLabel } from "./row-labels.ts";

/** Rows of each split, ascending. */
export type Splits<Name extends string> = Readonly<Record<Name, Uint32Array>>;

export interface SplitOptions {
  /** Default 42. */
  readonly seed?: number;
}

/**
 * Rows dealt out at random by fraction: every row is in exactly one split, and each split has its
 * fraction of them to within one row. Fractions are relative to their sum.
 *
 * @throws InvalidArgumentError for fractions that are negative, not finite, or all 0.
 */
export function splitByFraction<Name extends string>(
  nRows: number,
  fractions: Readonly<Record<Name, number>>,
  options: SplitOptions = {},
): Splits<Name> {
  checkOptions("splitByFraction", options, { seed: aNumber });
  assertInteger("nRows", nRows, 0);
  const { names, weights } = entries(fractions);
  const sizes = quotas(weights, nRows);
  const order = new Bijection(Math.max(1, nRows), [options.seed ?? 42]);
  const splitOf = new Uint16Array(nRows);
  let place = 0;
  for (const [k, size] of sizes.entries()) {
    for (const end = place + size; place < end; place++) splitOf[order.at(place)] = k;
  }
  return collect(names, splitOf);
}

/**
 * Rows by the value of a column: `{ train: ["a", "b"], test: ["c"] }`. Rows of other values, and of
 * none, are in no split.
 *
 * @throws InvalidArgumentError for a value named twice or that no row has.
 */
export function splitByValue<Name extends string>(
  labels: RowLabels,
  values: Readonly<Record<Name, readonly string[]>>,
): Splits<Name> {
  const rows = rowsByLabel(labels);
  const names = keysOf(values);
  const taken = new Set<string>();
  return toRecord(names, (name) => {
    const wanted: unknown = values[name];
    if (!Array.isArray(wanted)) {
      const message = `split ${name}: expected a list of values, found ${shown(wanted)}`;
      throw new InvalidArgumentError("values", wanted, message);
    }
    const lists = values[name].map((value) => {
      const list = rows.get(value);
      if (list === undefined || taken.has(value)) {
        const why = list === undefined ? "no row has it" : "it is named twice";
        throw new InvalidArgumentError(
          "values",
          values,
          `value ${JSON.stringify(value)} of split ${name}: ${why} (there is: ${[...rows.keys()].slice(0, 24).join(", ")})`,
          { suggestions: ["name each value of the column once"] },
        );
      }
      taken.add(value);
      return list;
    });
    return joined(lists);
  });
}

/**
 * Whole groups dealt out by fraction, so that no group (e.g. no donor) is on two sides. Groups come
 * in random order, each to the split that lacks most; how near the fractions get depends on how
 * large the groups are. Rows without a group are in no split.
 *
 * @throws InvalidArgumentError as {@link splitByFraction}, or when there are fewer groups than splits.
 */
export function splitByGroup<Name extends string>(
  groups: RowLabels,
  fractions: Readonly<Record<Name, number>>,
  options: SplitOptions = {},
): Splits<Name> {
  checkOptions("splitByGroup", options, { seed: aNumber });
  const { names, weights } = entries(fractions);
  const rows = rowsByLabel(groups);
  const wanted = weights.filter((weight) => weight > 0).length;
  if (rows.size < wanted) {
    throw new InvalidArgumentError(
      "groups",
      groups,
      `${rows.size} groups cannot be dealt out to ${wanted} splits without cutting one`,
      {
        suggestions: [
          "use fewer splits, or a column with more groups",
          "splitByFraction() deals out rows",
        ],
      },
    );
  }
  const named = [...rows.values()];
  const order = new Bijection(named.length, [options.seed ?? 42]);
  const total = named.reduce((sum, list) => sum + list.length, 0);
  const lacking = quotas(weights, total);
  const lists: Uint32Array[][] = names.map(() => []);
  for (let place = 0; place < named.length; place++) {
    const list = named[order.at(place)] as Uint32Array;
    // The last groups go to splits that would stay empty.
    const empty = names.map((_, k) => weights[k] !== 0 && lists[k]?.length === 0);
    const short = empty.filter(Boolean).length === named.length - place;
    let best = -1;
    for (let k = 0; k < names.length; k++) {
      if (weights[k] === 0 || (short && empty[k] !== true)) continue;
      if (best < 0 || (lacking[k] as number) > (lacking[best] as number)) best = k;
    }
    lists[best]?.push(list);
    lacking[best] = (lacking[best] as number) - list.length;
  }
  return toRecord(names, (_, k) => joined(lists[k] ?? []));
}

function entries<Name extends string>(fractions: Readonly<Record<Name, number>>) {
  const names = keysOf(fractions);
  const weights = names.map((name) => fractions[name]);
  const sum = weights.reduce((a, b) => a + b, 0);
  if (!(weights.every((weight) => weight >= 0) && sum > 0 && Number.isFinite(sum))) {
    throw new InvalidArgumentError(
      "fractions",
      fractions,
      `fractions must not be negative and have a finite sum above 0, got ${weights.join(", ")}`,
      { suggestions: ["e.g. { train: 0.8, val: 0.1, test: 0.1 }"] },
    );
  }
  return { names, weights };
}

function collect<Name extends string>(names: readonly Name[], splitOf: Uint16Array): Splits<Name> {
  return toRecord(names, (_, k) => {
    let count = 0;
    for (const split of splitOf) if (split === k) count++;
    const rows = new Uint32Array(count);
    for (let row = 0, at = 0; row < splitOf.length; row++) if (splitOf[row] === k) rows[at++] = row;
    return rows;
  });
}

function joined(lists: readonly Uint32Array[]): Uint32Array {
  const rows = new Uint32Array(lists.reduce((sum, list) => sum + list.length, 0));
  let at = 0;
  for (const list of lists) {
    rows.set(list, at);
    at += list.length;
  }
  return rows.sort();
}

/** The keys of a record are of its key type: Object.keys only forgets it. */
function keysOf<Name extends string>(record: Readonly<Record<Name, unknown>>): Name[] {
  return Object.keys(record) as Name[];
}

/** Every name gets a value, which the type of fromEntries does not say. */
function toRecord<Name extends string>(
  names: readonly Name[],
  rowsOf: (name: Name, k: number) => Uint32Array,
): Splits<Name> {
  return Object.fromEntries(names.map((name, k) => [name, rowsOf(name, k)])) as Splits<Name>;
}
