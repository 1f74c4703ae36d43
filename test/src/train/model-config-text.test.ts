import { expect, test } from "vitest";
import { Esm2 } from "../../../src/models/index.ts";
import { modelConfigText } from "../../../src/train/model-config-text.ts";

test("floats of a config have a point, whole numbers none, and the values stay", () => {
  const { config } = new Esm2("8M");
  const text = modelConfigText(config);
  expect(text).toContain('  "hidden_dropout_prob": 0.0,\n');
  expect(text).toContain('  "attention_probs_dropout_prob": 0.0,\n');
  expect(text).toContain('  "rope_theta": 10000.0,\n');
  expect(text).toContain('  "initializer_range": 0.02,\n');
  expect(text).toContain('  "hidden_size": 320,\n');
  expect(JSON.parse(text)).toEqual(config);
  expect(modelConfigText({ classifier_dropout: 1 })).toBe('{\n  "classifier_dropout": 1.0\n}\n');
});
