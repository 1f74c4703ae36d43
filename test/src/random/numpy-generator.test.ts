import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { ChoiceOptions } from "../../../src/random/numpy-choice.ts";
import {
  defaultRng,
  type IntegerDType,
  NumpyGenerator,
} from "../../../src/random/numpy-generator.ts";
import { SeedSequence } from "../../../src/random/seed-sequence.ts";
import { type Kept, kept, readGolden } from "./golden.ts";

type Step = readonly [string, ...(string | number)[]];

interface Golden {
  readonly raw: readonly (readonly [readonly string[], ...Kept])[];
  readonly integers: readonly (readonly [
    number,
    IntegerDType,
    string,
    string,
    number,
    string,
    string,
    number,
    string,
  ])[];
  readonly permutations: readonly (readonly [number, number, ...Kept])[];
  readonly choices: readonly (readonly [
    number,
    number,
    number,
    ChoiceOptions,
    readonly number[] | null,
    string,
    string,
    number,
  ])[];
  readonly mixed: readonly {
    readonly seed: number;
    readonly steps: readonly Step[];
    readonly state: string;
    readonly inc: string;
    readonly spare: number | null;
  }[];
  readonly family: readonly {
    readonly seed: string;
    readonly children: readonly string[];
    readonly later: string;
    readonly grandchild: string;
    readonly jumped: string;
    readonly ahead: string;
    readonly back: string;
  }[];
  readonly floats: readonly Kept[];
  readonly seedWords: readonly number[];
  readonly shuffled: readonly number[];
}

const golden = readGolden<Golden>("random/numpy");

function take(rng: NumpyGenerator, op: string): readonly (string | number)[] {
  switch (op) {
    case "random":
      return [rng.random()];
    case "float32":
      return kept(rng.fillRandom(new Float32Array(3)));
    case "int8":
      return kept(rng.integers(-5, 90, 3, { dtype: "int8" }));
    case "integer":
      return [rng.integer(0, 1_000_003)];
    case "big":
      return [rng.bigInteger(0n, 2n ** 63n - 1n).toString()];
    default:
      return kept(rng.permutation(7));
  }
}

describe("draws are numpy's", () => {
  test("raw 64-bit words for seeds of every size and for lists", () => {
    for (const [seed, ...expected] of golden.raw) {
      const rng = NumpyGenerator.fromSeed(seed.map(BigInt));
      const words = BigUint64Array.from({ length: 40 }, () => rng.nextUint64());
      expect(kept(words), seed.join()).toEqual(expected);
    }
    expect(golden.raw.length).toBeGreaterThan(500);
  });

  test("the words of a SeedSequence", () => {
    expect([...new SeedSequence(42).generateState(9)]).toEqual(golden.seedWords);
  });

  test("integers of every type and width, and what the call leaves behind", () => {
    for (const [seed, dtype, low, last, size, head, hash, next, raw] of golden.integers) {
      const rng = NumpyGenerator.fromSeed(seed);
      const drawn = rng.integers(BigInt(low), BigInt(last), size, { dtype, endpoint: true });
      const name = `${dtype} ${low}..${last} seed ${seed}`;
      expect(kept(drawn), name).toEqual([head, hash]);
      expect(rng.integer(0, 2 ** 32), name).toBe(next);
      expect(rng.nextUint64().toString(), name).toBe(raw);
    }
    expect(golden.integers.length).toBeGreaterThan(300);
  });

  test("permutations and shuffles", () => {
    for (const [n, seed, ...expected] of golden.permutations) {
      expect(kept(defaultRng(seed).permutation(n)), `${n}, seed ${seed}`).toEqual(expected);
    }
    const list = Array.from({ length: 30 }, (_, i) => i);
    defaultRng(8).shuffle(list);
    expect(list).toEqual(golden.shuffled);
  });

  test("every way of choice, and what the call leaves behind", () => {
    for (const [seed, n, size, options, weights, head, hash, next] of golden.choices) {
      const total = weights?.reduce((sum, weight) => sum + weight, 0) ?? 1;
      const p = weights?.map((weight) => (total === 0 ? 1 / n : weight / total));
      const rng = defaultRng(seed);
      const drawn = rng.choice(n, size, p === undefined ? options : { ...options, p });
      const name = `${size} of ${n}, seed ${seed}, ${JSON.stringify(options)}`;
      expect(kept(drawn), name).toEqual([head, hash]);
      expect(rng.integer(0, 2 ** 32), name).toBe(next);
    }
  });

  test("floats of 53 and 24 bits, the spare half surviving 64-bit draws", () => {
    const rng = defaultRng(77);
    expect([
      kept(rng.fillRandom(new Float64Array(5000))),
      kept(rng.fillRandom(new Float32Array(5001))),
      kept(rng.fillRandom(new Float64Array(5000))),
    ]).toEqual(golden.floats);
  });

  test("calls of all kinds in turn end in numpy's own state", () => {
    for (const { seed, steps, state, inc, spare } of golden.mixed) {
      const rng = defaultRng([seed, 3]);
      for (const [op, ...expected] of steps)
        expect(take(rng, op), `${seed}: ${op}`).toEqual(expected);
      expect(rng.state()).toMatchObject({ state, inc, spare });
    }
  });

  test("spawned, jumped and advanced generators", () => {
    for (const expected of golden.family) {
      const seed = BigInt(expected.seed);
      const rng = defaultRng(seed);
      const children = rng.spawn(3);
      const [later] = rng.spawn(1);
      const ahead = defaultRng(seed);
      ahead.advance(10n ** 20n);
      const back = defaultRng(seed);
      back.integers(0, 9, 5);
      back.advance(-2);
      const grandchild = NumpyGenerator.fromState(defaultRng(seed).state());
      grandchild.spawn(3);
      expect({
        seed: expected.seed,
        children: children.map((child) => child.nextUint64().toString()),
        later: later?.nextUint64().toString(),
        grandchild: grandchild.spawn(1)[0]?.spawn(2)[1]?.nextUint64().toString(),
        jumped: defaultRng(seed).jumped(3).nextUint64().toString(),
        ahead: ahead.nextUint64().toString(),
        back: back.nextUint64().toString(),
      }).toEqual(expected);
    }
  });

  test("the published values of seed 42 and 0", () => {
    const first = defaultRng(42);
    expect([0, 0, 0, 0].map(() => first.nextUint64().toString(16))).toEqual([
      "c621fbcd16d92688",
      "705a5661a791ffc1",
      "dbcd12c26eda1624",
      "b286b60e1600888d",
    ]);
    expect([...defaultRng(42).integers(0, 2_147_483_647, 5)]).toEqual([
      191664963, 1662057957, 1405681631, 942484272, 929893137,
    ]);
    expect(defaultRng([42, 1, 3]).integer(0, 5)).toBe(3);
    expect(defaultRng([0, 0, 0]).bigInteger(0n, 2n ** 63n - 1n)).toBe(5874934615388537134n);
  });
});

test("a state taken after any number of draws goes on with the same ones", () => {
  const rng = defaultRng(6);
  for (let draws = 0; draws < 1500; draws++) {
    if (draws % 37 === 0 || draws > 1490) {
      const copy = NumpyGenerator.fromState(JSON.parse(JSON.stringify(rng.state())));
      const expected = NumpyGenerator.fromState(rng.state());
      expect([copy.integer(0, 1e9), copy.random(), copy.nextUint64()], `after ${draws}`).toEqual([
        expected.integer(0, 1e9),
        expected.random(),
        expected.nextUint64(),
      ]);
      const again = defaultRng(6);
      for (let i = 0; i < draws; i++) again.integer(0, 1e6);
      expect(copy.state().inc).toBe(again.state().inc);
      expect(again.state()).toEqual(rng.state());
    }
    rng.integer(0, 1e6);
  }
});

describe("wrong arguments are named", () => {
  const rng = defaultRng(1);
  const cases: readonly (readonly [string, () => unknown])[] = [
    ["seed must not be negative, got -1", () => defaultRng(-1)],
    ["seed must be an integer below 2^53, or a bigint, got 0.5", () => defaultRng([1, 0.5])],
    [
      "integers of int8 must be a range within -128 to 127, got 0 to 129",
      () => rng.integers(0, 129, 1, { dtype: "int8" }),
    ],
    [
      "integers of float64 must be a range within -9007199254740991 to 9007199254740991, got 3 to 3",
      () => rng.integer(3, 3),
    ],
    ["cannot take 4 of 3 without replacement", () => rng.choice(3, 4, { replace: false })],
    ["p must sum to 1, got 0.5", () => rng.choice(2, 1, { p: [0.25, 0.25] })],
    ["p[1] must not be negative or NaN, got NaN", () => rng.choice(2, 1, { p: [1, Number.NaN] })],
    ["p must have 3 values, got 1", () => rng.choice(3, 1, { p: [1] })],
    ["only 1 probabilities are above 0", () => rng.choice(2, 2, { p: [1, 0], replace: false })],
    ["length must be a positive integer, got 0", () => rng.choice(0, 1)],
    [
      'state must be a 128-bit integer in decimal, got "x"',
      () => NumpyGenerator.fromState({ ...rng.state(), state: "x" }),
    ],
  ];
  test.each(cases)("%s", (message, call) => {
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(message);
  });
});
