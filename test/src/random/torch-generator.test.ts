import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { TorchGenerator } from "../../../src/random/torch-generator.ts";
import { type Kept, kept, readGolden } from "./golden.ts";

interface Golden {
  readonly streams: readonly (readonly [string, Kept, Kept, Kept, Kept])[];
  readonly ranges: readonly (readonly [number, number, number, Kept])[];
  readonly permutations: readonly (readonly [number, number, Kept])[];
  readonly multinomials: readonly (readonly [
    number,
    "float32" | "float64",
    readonly number[],
    number,
    readonly number[],
    readonly number[],
    readonly number[],
  ])[];
  readonly states: readonly (readonly [number, number, string, Kept])[];
  readonly normal: readonly [string, string, Kept];
}

const golden = readGolden<Golden>("random/torch");

/** The weights as torch had them: divided by their sum, in their own precision, when normalised. */
function weightsOf(whole: readonly number[], dtype: string, normalised: number) {
  const weights = dtype === "float64" ? Float64Array.from(whole) : Float32Array.from(whole);
  const sum = whole.reduce((total, weight) => total + weight, 0);
  for (let i = 0; normalised === 1 && i < weights.length; i++) weights[i] = (weights[i] ?? 0) / sum;
  return weights;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("draws are torch's", () => {
  test("rand, randint and randperm in turn, for seeds over the whole 64-bit range", () => {
    for (const [seed, floats, doubles, integers, order] of golden.streams) {
      const generator = TorchGenerator.fromSeed(BigInt(seed));
      expect(kept(generator.rand(700)), seed).toEqual(floats);
      expect(kept(generator.fillRand(new Float64Array(33))), seed).toEqual(doubles);
      expect(kept(generator.randint(5, 20, 40)), seed).toEqual(integers);
      expect(kept(generator.randperm(50)), seed).toEqual(order);
    }
  });

  test("randint around every power of two up to 2^53", () => {
    for (const [seed, low, high, expected] of golden.ranges) {
      const drawn = TorchGenerator.fromSeed(seed).randint(low, high, 9);
      expect(kept(drawn), `${low}..${high}`).toEqual(expected);
    }
  });

  test("randperm of many lengths", () => {
    for (const [n, seed, expected] of golden.permutations) {
      expect(kept(TorchGenerator.fromSeed(seed).randperm(n)), `${n}, seed ${seed}`).toEqual(
        expected,
      );
    }
  });

  test("multinomial, one and several, with and without replacement, in both precisions", () => {
    for (const [seed, dtype, whole, normal, ones, several, replaced] of golden.multinomials) {
      const generator = TorchGenerator.fromSeed(seed);
      const weights = weightsOf(whole, dtype, normal);
      const name = `seed ${seed}, ${dtype}, ${whole.join()}`;
      for (const one of ones) expect([...generator.multinomial(weights, 1)], name).toEqual([one]);
      expect([...generator.multinomial(weights, several.length)], name).toEqual(several);
      expect([...generator.multinomial(weights, 6, { replacement: true })], name).toEqual(replaced);
    }
    expect(golden.multinomials.length).toBe(1500);
  });

  test("the published values of seed 0", () => {
    const generator = TorchGenerator.fromSeed(0);
    expect([...generator.rand(4)]).toEqual([
      0.49625658988952637, 0.7682217955589294, 0.08847743272781372, 0.13203048706054688,
    ]);
    expect([...generator.randint(5, 20, 6)]).toEqual([18, 14, 12, 18, 12, 8]);
    expect([...generator.randperm(8)]).toEqual([5, 1, 2, 7, 6, 3, 4, 0]);
    generator.manualSeed(0);
    expect([...generator.randperm(10)]).toEqual([4, 1, 7, 5, 3, 9, 0, 8, 6, 2]);
  });
});

describe("torch's own state bytes", () => {
  test("are written as get_state() writes them and read back", () => {
    for (const [seed, draws, hash, next] of golden.states) {
      const generator = TorchGenerator.fromSeed(seed);
      generator.rand(draws);
      const bytes = generator.toTorchState();
      expect(sha256(bytes), `after ${draws}`).toBe(hash);
      expect(kept(TorchGenerator.fromTorchState(bytes).rand(5)), `after ${draws}`).toEqual(next);
    }
  });

  test("keep a cached normal that torch left in them", () => {
    const [hash, tail, next] = golden.normal;
    const generator = TorchGenerator.fromSeed(17);
    // torch's randn of fewer than 16 draws two float64 uniforms and keeps the second normal.
    generator.fillRand(new Float64Array(2));
    const bytes = generator.toTorchState();
    bytes.set(Buffer.from(tail, "hex"), bytes.length - 48);
    const restored = TorchGenerator.fromTorchState(bytes);
    expect(sha256(restored.toTorchState())).toBe(hash);
    expect(kept(restored.rand(5))).toEqual(next);
  });
});

test("a state goes through JSON and goes on with the same draws", () => {
  for (const release of ["2.7", "1.13-mkl"] as const) {
    const generator = TorchGenerator.fromSeed(2n ** 63n + 5n, { release });
    generator.rand(1000);
    const copy = TorchGenerator.fromState(JSON.parse(JSON.stringify(generator.state())));
    expect(copy.state()).toEqual(generator.state());
    const weights = Float32Array.of(1, 2, 3);
    expect(copy.multinomial(weights, 2)).toEqual(generator.multinomial(weights, 2));
  }
});

test("older releases draw 32 bits for ranges below 2^32, newer ones 64 from 2^28", () => {
  const older = TorchGenerator.fromSeed(1, { release: "1.13-mkl" });
  const words = TorchGenerator.fromSeed(1);
  expect([...older.randint(0, 3e9, 3)]).toEqual([0, 0, 0].map(() => words.random32() % 3e9));
  const newer = TorchGenerator.fromSeed(1).randint(0, 2 ** 28, 1);
  const [, second = 0] = [words, words]
    .map(() => TorchGenerator.fromSeed(1))
    .map((g) => {
      g.random32();
      return g.random32();
    });
  expect([...newer]).toEqual([second % 2 ** 28]);
});

describe("wrong arguments are named", () => {
  const generator = TorchGenerator.fromSeed(1);
  const cases: readonly (readonly [string, () => unknown])[] = [
    ["seed must be an integer of -2^63 to 2^64 - 1", () => TorchGenerator.fromSeed(2n ** 64n)],
    ["randint needs integers low < high", () => generator.randint(3, 3, 1)],
    [
      "weights must be finite and not negative, got NaN at 1",
      () => generator.multinomial(Float32Array.of(1, Number.NaN), 1),
    ],
    ["weights must have a sum above 0, got 0", () => generator.multinomial(new Float32Array(3), 1)],
    [
      "cannot draw 2 different ones, only 1 weights are above 0",
      () => generator.multinomial(Float32Array.of(0, 1, 0), 2),
    ],
    [
      "cannot draw 4 of 3 without replacement",
      () => generator.multinomial(new Float32Array(3).fill(1), 4),
    ],
    [
      "torch's generator state has 5056 bytes, got 10",
      () => TorchGenerator.fromTorchState(new Uint8Array(10)),
    ],
    [
      "an MT19937 state has 624 words and a position of 0 to 624, got 624 and 625",
      () => TorchGenerator.fromTorchState(new Uint8Array(5056)),
    ],
  ];
  test.each(cases)("%s", (message, call) => {
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(message);
  });
});
