import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { PythonRandom } from "../../../src/random/python-random.ts";
import { readGolden } from "./golden.ts";

type Step =
  | readonly ["random", number]
  | readonly ["bits", number, number]
  | readonly ["randint", number, number, number]
  | readonly ["randrange", number, number, number, number]
  | readonly ["shuffle", number, readonly number[]]
  | readonly ["sample", number, number, readonly number[]]
  | readonly ["choices", number, number, readonly number[]]
  | readonly ["weighted", readonly number[], readonly number[]];

interface Golden {
  readonly cases: readonly (readonly [
    readonly ["text" | "integer", string],
    readonly number[],
    readonly Step[],
  ])[];
  readonly shuffles: readonly (readonly [number, readonly number[], number])[];
}

const golden = readGolden<Golden>("random/python");

function seeded([kind, text]: readonly ["text" | "integer", string]): PythonRandom {
  if (kind === "text") return PythonRandom.fromSeed(text);
  const magnitude = BigInt(text.replace("-", ""));
  return PythonRandom.fromSeed(text.startsWith("-") ? -magnitude : magnitude);
}

/** Draws what the step asks for; the last entry of a step is what Python drew. */
function take(rng: PythonRandom, step: Step): unknown {
  switch (step[0]) {
    case "random":
      return rng.random();
    case "bits":
      return rng.getrandbits(step[1]);
    case "randint":
      return rng.randint(step[1], step[2]);
    case "randrange":
      return rng.randrange(step[1], step[2], step[3]);
    case "shuffle": {
      const values = Array.from({ length: step[1] }, (_, i) => i);
      rng.shuffle(values);
      return values;
    }
    case "sample":
      return [...rng.sample(step[1], step[2])];
    case "choices":
      return [...rng.choices(step[1], step[2])];
    case "weighted":
      return [...rng.choices(step[1].length, 4, step[1])];
  }
}

test("draws are Python's, for integer and text seeds and calls of all kinds in turn", () => {
  for (const [seed, words, steps] of golden.cases) {
    const rng = seeded(seed);
    const name = seed[1].slice(0, 60);
    expect(
      words.map(() => rng.getrandbits(32)),
      name,
    ).toEqual(words);
    for (const step of steps) {
      expect(take(rng, step), `${name}: ${step.slice(0, -1).join()}`).toEqual(step.at(-1));
    }
  }
  expect(golden.cases.length).toBeGreaterThan(200);
});

test("long shuffles are Python's", () => {
  for (const [n, first, checksum] of golden.shuffles) {
    const values = Float64Array.from({ length: n }, (_, i) => i);
    PythonRandom.fromSeed(42).shuffle(values);
    expect([...values.subarray(0, 10)]).toEqual(first);
    expect(values.reduce((sum, value, i) => sum + i * value, 0)).toBe(checksum);
  }
});

test("a state goes through JSON and goes on with the same draws", () => {
  const rng = PythonRandom.fromSeed(3);
  for (const draws of [0, 1, 600, 700]) {
    for (let i = 0; i < draws; i++) rng.random();
    const copy = PythonRandom.fromState(JSON.parse(JSON.stringify(rng.state())));
    const again = PythonRandom.fromState(rng.state());
    expect(copy.random()).toBe(again.random());
    expect(copy.randint(0, 1e6)).toBe(again.randint(0, 1e6));
  }
});

test("choice takes the element that Python's takes", () => {
  const rng = PythonRandom.fromSeed(42);
  expect(["a", "b", "c", "d", "e"].map(() => rng.choice("abcde"))).toEqual([
    "a",
    "a",
    "c",
    "b",
    "b",
  ]);
});

describe("wrong arguments are named", () => {
  const rng = PythonRandom.fromSeed(1);
  const cases: readonly (readonly [string, () => unknown])[] = [
    ["seed must be an integer below 2^53, a bigint or a string", () => PythonRandom.fromSeed(0.5)],
    ["randrange needs integers with something between them, got 3 to 3", () => rng.randint(3, 2)],
    ["k must be 0 to 53 bits, got 54", () => rng.getrandbits(54)],
    ["cannot choose from an empty list", () => rng.choice([])],
    ["sample takes 0 to 3 of 3, got 4", () => rng.sample(3, 4)],
    ["with a finite sum above 0, got 2 with sum 0", () => rng.choices(2, 1, [0, 0])],
    ["length must be above 0, got 0", () => rng.choices(0, 1)],
    [
      'state must be of a "python-mt19937" generator',
      () => PythonRandom.fromState({ ...rng.state(), generator: "other" as "python-mt19937" }),
    ],
    [
      "an MT19937 state has 624 words and a position of 0 to 624, got 0 and 1",
      () =>
        PythonRandom.fromState({
          generator: "python-mt19937",
          words: "",
          position: 1,
          twisted: true,
        }),
    ],
  ];
  test.each(cases)("%s", (message, call) => {
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(message);
  });
});
