import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import {
  constantSchedule,
  cosineAnnealing,
  cosineDecay,
  linearDecay,
  type Schedule,
  warmupAnnealDecayHold,
} from "../../../src/train/schedule.ts";

interface Case {
  readonly kind: "warmupAnneal" | "cosineAnnealing" | "linearDecay" | "cosineDecay" | "constant";
  readonly lr: number;
  readonly options: {
    readonly maxSteps: number;
    readonly warmupSteps: number;
    readonly constantSteps?: number;
    readonly minLr?: number;
    readonly cycles?: number;
  };
  readonly rates: readonly number[];
}

const cases: readonly Case[] = JSON.parse(
  readFileSync(new URL("../../../fixtures/train/schedules.json", import.meta.url), "utf8"),
);

function scheduleOf({ kind, lr, options }: Case): Schedule {
  switch (kind) {
    case "warmupAnneal":
      return warmupAnnealDecayHold(lr, options);
    case "cosineAnnealing":
      return cosineAnnealing(lr, options);
    case "linearDecay":
      return linearDecay(lr, options);
    case "cosineDecay":
      return cosineDecay(lr, options);
    default:
      return constantSchedule(lr, options.warmupSteps);
  }
}

describe("rates of BioNeMo, NeMo and transformers", () => {
  test.each(cases.map((one) => [`${one.kind} ${JSON.stringify(one.options)}`, one] as const))(
    "%s",
    (_name, one) => {
      const schedule = scheduleOf(one);
      one.rates.forEach((rate, step) => {
        // Cosines of two mathematical libraries differ in the last bit of 1 + cos, 2^-53 of lr.
        expect(Math.abs(schedule(step) - rate), `step ${step}`).toBeLessThanOrEqual(one.lr * 3e-16);
      });
    },
  );
});

test("a rate depends on its step alone", () => {
  const schedule = cosineAnnealing(1e-3, { maxSteps: 100, warmupSteps: 10, constantSteps: 20 });
  const forward = Array.from({ length: 110 }, (_, step) => schedule(step));
  const backward = Array.from({ length: 110 }, (_, i) => schedule(109 - i)).reverse();
  expect(backward).toEqual(forward);
});

test("BioNeMo's defaults", () => {
  const schedule = warmupAnnealDecayHold(4e-4);
  expect(schedule(0)).toBe(4e-5);
  expect(schedule(2000)).toBe(4e-4);
  expect(schedule(500_000)).toBe(4e-4 * 0.1);
});

test.each([
  ["minLr", () => cosineAnnealing(1e-4, { maxSteps: 10, minLr: 1e-3 })],
  ["maxSteps", () => cosineAnnealing(1e-4, { maxSteps: 10, warmupSteps: 6, constantSteps: 5 })],
  ["maxSteps", () => warmupAnnealDecayHold(1e-4, { maxSteps: 10, warmupSteps: 10 })],
  ["lr", () => constantSchedule(Number.NaN)],
  ["warmupSteps", () => linearDecay(1, { maxSteps: 10, warmupSteps: 1.5 })],
])("a wrong %s is refused by name", (argument, make) => {
  expect(make).toThrow(InvalidArgumentError);
  expect(make).toThrow(argument);
});
