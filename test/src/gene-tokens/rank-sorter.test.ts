import { expect, test } from "vitest";
import { RankSorter } from "../../../src/gene-tokens/rank-sorter.ts";
import { defaultRng } from "../../../src/random/numpy-generator.ts";

const rng = defaultRng(20_26);
const random = () => rng.random();

/** What numpy's stable argsort of the negated keys gives. */
function expected(keys: readonly number[]): number[] {
  const isNan = (i: number) => (Number.isNaN(keys[i]) ? 1 : 0);
  return keys
    .map((_, i) => i)
    .sort(
      (a, b) => isNan(a) - isNan(b) || (isNan(a) === 1 ? 0 : compare(keys[b], keys[a])) || a - b,
    );
}

function compare(a = 0, b = 0): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const KINDS: Readonly<Record<string, () => number>> = {
  "spread over many octaves": () => Math.exp(20 * random() - 10),
  "many ties": () => 1 + Math.floor(3 * random()),
  "differing in the low word alone": () => 1 + 1e-13 * random(),
  "with zeros of both signs": () => (random() < 0.3 ? (random() < 0.5 ? 0 : -0) : random()),
  "of both signs": () => random() - 0.5,
  "with NaN": () => (random() < 0.2 ? Number.NaN : random()),
  subnormal: () => 5e-324 * Math.floor(100 * random()),
  "with infinity": () => (random() < 0.1 ? Number.POSITIVE_INFINITY : random()),
  "counts over medians": () => Math.ceil(20 * random()) / (1 + Math.floor(7 * random())),
  "one far from all others": () => (random() < 0.01 ? 1e300 : 1 + 1e-9 * random()),
};

test.each(Object.keys(KINDS))("keys %s come in the order of a stable argsort", (kind) => {
  const sorter = new RankSorter();
  for (const n of [0, 1, 2, 3, 7, 64, 65, 1000, 4097]) {
    sorter.reserve(n);
    const keys = Array.from({ length: n }, KINDS[kind] as () => number);
    for (const [i, key] of keys.entries()) {
      sorter.keys[i] = key;
      sorter.items[i] = i;
    }
    const target = new Int32Array(n + 4).fill(-1);
    sorter.sort(n, target, 3);
    expect([...target]).toEqual([-1, -1, -1, ...expected(keys), -1]);
  }
});
