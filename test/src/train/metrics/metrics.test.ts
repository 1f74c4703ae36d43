import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../../formats/common/errors.ts";
import {
  AccuracyMetric,
  MeanMetric,
  MseMetric,
  PearsonMetric,
  PerplexityMetric,
  SpearmanMetric,
} from "../../../../src/train/metrics/metrics.ts";

interface Golden {
  readonly regression: readonly {
    readonly x: readonly number[];
    readonly y: readonly number[];
    readonly mse: number;
    readonly pearson: number;
    readonly spearman: number;
  }[];
  readonly tokens: {
    readonly predicted: readonly (readonly number[])[];
    readonly labels: readonly (readonly number[])[];
    readonly losses: readonly (readonly number[])[];
    readonly loss: number;
    readonly perplexity: number;
    readonly accuracy: number;
  };
}

const { regression, tokens }: Golden = JSON.parse(
  readFileSync(new URL("../../../../fixtures/train/metrics.json", import.meta.url), "utf8"),
);
const near = (found: number, expected: number, tolerance = 1e-12) =>
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(tolerance * Math.abs(expected));

describe("values of scipy and torch", () => {
  test.each(regression.map((one, i) => [i, one] as const))("regression, case %i", (_i, one) => {
    const [mse, pearson, spearman] = [new MseMetric(), new PearsonMetric(), new SpearmanMetric()];
    const middle = Math.floor(one.x.length / 2);
    for (const metric of [mse, pearson, spearman]) {
      metric.addValues(one.x.slice(0, middle), one.y.slice(0, middle));
      metric.addValues(one.x.slice(middle), one.y.slice(middle));
    }
    near(mse.result(), one.mse);
    near(pearson.result(), one.pearson, 1e-9);
    near(spearman.result(), one.spearman);
  });

  test("loss, perplexity and accuracy over batches with ignored labels", () => {
    const [loss, perplexity, accuracy] = [
      new MeanMetric(),
      new PerplexityMetric(),
      new AccuracyMetric(),
    ];
    tokens.losses.forEach((losses, i) => {
      const labels = tokens.labels[i] ?? [];
      const sum = losses.reduce((a, b) => a + b, 0);
      const count = labels.filter((label) => label !== -100).length;
      loss.add(sum, count);
      perplexity.add(sum, count);
      accuracy.addLabels(tokens.predicted[i] ?? [], labels);
    });
    near(loss.result(), tokens.loss);
    near(perplexity.result(), tokens.perplexity);
    near(accuracy.result(), tokens.accuracy);
  });
});

test("a metric without values, or of a constant, is NaN and never 0", () => {
  const pearson = new PearsonMetric();
  pearson.addValues([1, 1], [1, 2]);
  const spearman = new SpearmanMetric();
  spearman.addValues([1, Number.NaN, 3], [1, 2, 3]);
  const empty = [new MeanMetric(), new PerplexityMetric(), new AccuracyMetric(), new MseMetric()];
  for (const metric of [...empty, pearson, spearman]) expect(metric.result()).toBeNaN();
});

test("parts of several processes merge into the whole; reset forgets", () => {
  const [a, b] = [new MeanMetric(), new MeanMetric()];
  a.add(6, 2);
  b.add(4, 3);
  a.merge(b);
  expect(a.result()).toBe(2);
  a.reset();
  a.add(5, 1);
  expect(a.result()).toBe(5);
});

test("predictions without targets are refused", () => {
  expect(() => new MseMetric().addValues([1, 2], [1])).toThrow(InvalidArgumentError);
  expect(() => new MeanMetric().add(1, Number.NaN)).toThrow(InvalidArgumentError);
});
