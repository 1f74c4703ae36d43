import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeSafetensors } from "../../../formats/safetensors/write-safetensors.ts";
import {
  Esm2,
  Geneformer,
  initialParameter,
  initialParameters,
  type LoadWeightsOptions,
  loadWeights,
  openBackbone,
  type ParameterSpec,
  saveWeights,
  vocabularyRows,
  weightReportLines,
} from "../../../src/models/index.ts";
import { modelConfigText } from "../../../src/models/weights/config-text.ts";
import { fixture } from "./model-fixture.ts";

const TABLE = "esm.embeddings.word_embeddings.weight";
const initial = (spec: ParameterSpec) => initialParameter(spec, 5);
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weights-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Weights of a model of this test in a folder of their own. */
function saved(name: string, model: Esm2 | Geneformer, options = {}) {
  const directory = join(folder, name);
  const values = initialParameters(model.parameters, 1);
  saveWeights(model, values, directory, options);
  return { directory, values };
}

const small = (options: object = {}) =>
  new Esm2({ layers: 1, hiddenSize: 8, heads: 2, vocabSize: 12, maskId: 11, ...options });

describe("a folder of transformers", () => {
  test("is opened and loaded whole; old names of norms and unused tensors are told", () => {
    const model = openBackbone(fixture("esm2"));
    const { values, report } = loadWeights(model, fixture("esm2"), initial);
    expect(values.size).toBe(model.parameters.length);
    expect(report.initial).toEqual([]);
    const lines = weightReportLines(report);
    expect(lines[0]).toBe(
      `${fixture("esm2/model.safetensors")}: ${values.size} of ${values.size} parameters loaded`,
    );
    expect(lines.join("\n")).toContain("LayerNorm.gamma as esm.encoder.layer.0.");
    expect(report.unused).toEqual([
      { tensor: "esm.contact_head.regression.bias", reason: "contacts are not predicted" },
      { tensor: "esm.contact_head.regression.weight", reason: "contacts are not predicted" },
      {
        tensor: "esm.encoder.layer.*.attention.self.rotary_embeddings.inv_freq",
        reason: "computed",
      },
    ]);
  });

  test("is an authors' Geneformer when its model_type is bert", () => {
    const model = openBackbone(fixture("bert"));
    expect(model).toBeInstanceOf(Geneformer);
    expect(loadWeights(model, fixture("bert"), initial).values.size).toBe(model.parameters.length);
  });
});

describe("saved weights", () => {
  test.each([
    ["esm2", small()],
    ["bionemo", new Geneformer({ layers: 1, hiddenSize: 8, heads: 2, vocabSize: 12 })],
    ["bert", new Geneformer({ layout: "bert", layers: 1, hiddenSize: 8, heads: 2, vocabSize: 12 })],
  ])("%s: come back bit for bit, in one file and in several", (name, model) => {
    for (const options of [{}, { maxShardBytes: 2000 }]) {
      const { directory, values } = saved(`${name}-${"maxShardBytes" in options}`, model, options);
      expect(readdirSync(directory).filter((file) => file.endsWith("s")).length > 1).toBe(
        "maxShardBytes" in options,
      );
      const again = openBackbone(directory);
      expect(again.settings).toEqual(model.settings);
      expect(loadWeights(again, directory, initial).values).toEqual(values);
    }
  });

  test("in half precision are rounded, and said to be", () => {
    const { directory, values } = saved("half", small(), { dtype: "BF16" });
    const json = JSON.parse(readFileSync(join(directory, "config.json"), "utf8")) as object;
    expect(json).toMatchObject({ dtype: "bfloat16", torch_dtype: "bfloat16" });
    const found = loadWeights(small(), directory, initial).values.get(TABLE) ?? [];
    const wanted = values.get(TABLE) ?? [];
    const worst = Math.max(...found.map((value, i) => Math.abs(value - (wanted[i] ?? 0))));
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(0.1 * 2 ** -8);
  });

  test("of ESM-2 hold the contact head and the angles that transformers wants", () => {
    const { directory } = saved("contact", small());
    const { report } = loadWeights(small(), directory, initial);
    expect(report.unused.map(({ tensor }) => tensor)).toEqual([
      "esm.contact_head.regression.bias",
      "esm.contact_head.regression.weight",
      "esm.encoder.layer.0.attention.self.rotary_embeddings.inv_freq",
    ]);
  });

  test("hold the contact head that the weights came with", () => {
    const model = small();
    const head = Float32Array.from({ length: 2 }, (_, i) => i + 1.5);
    const values = new Map([
      ...initialParameters(model.parameters, 1),
      ["esm.contact_head.regression.weight", head] as const,
    ]);
    const directory = join(folder, "kept-contact");
    saveWeights(model, values, directory);
    const loaded = loadWeights(model, directory, initial);
    expect(loaded.companions.get("esm.contact_head.regression.weight")).toEqual(head);
    expect(new Set(loaded.companions.keys())).toEqual(
      new Set(["weight", "bias"].map((part) => `esm.contact_head.regression.${part}`)),
    );
    const skipped = { skipPrefixes: ["esm.contact_head"] };
    expect(loadWeights(model, directory, initial, skipped).companions.size).toBe(0);
  });

  test("have a config.json in which 0 is 0.0: transformers tells 0 from 0.0", () => {
    const text = modelConfigText(small().config);
    expect(text).toContain('\n  "hidden_dropout_prob": 0.0,\n');
    expect(text).toContain('\n  "rope_theta": 10000.0,\n');
    expect(text).toContain('\n  "vocab_size": 12,\n');
    expect(JSON.parse(text)).toEqual(small().config);
    const nested = modelConfigText({ backbone: small().config, labels: ["a"] });
    expect(nested).toContain('"hidden_dropout_prob": 0.0,');
    expect(JSON.parse(nested)).toEqual({ backbone: small().config, labels: ["a"] });
  });

  test("need values of all parameters", () => {
    expect(() => saveWeights(small(), new Map(), join(folder, "none"))).toThrow(
      `no values for the parameter ${TABLE}`,
    );
  });
});

describe("a model that differs from the file", () => {
  const load = (model: Esm2, options: LoadWeightsOptions, from = small()) => {
    const { directory, values } = saved("differs", from, { overwrite: true });
    return { ...loadWeights(model, directory, initial, options), file: values };
  };

  test("with another vocabulary is refused, unless rows are kept by place or by token", () => {
    const larger = small({ vocabSize: 14 });
    expect(() => load(larger, {})).toThrow(
      /word_embeddings.weight is \[12, 8\], esm.embeddings.*\[14, 8\]/,
    );
    const common = load(larger, { vocabulary: "common" });
    const table = common.values.get(TABLE) ?? new Float32Array();
    expect(table.subarray(0, 96)).toEqual(common.file.get(TABLE));
    const spec = larger.parameters[0] as ParameterSpec;
    expect(table.subarray(96)).toEqual(initial(spec).subarray(96));
    expect(common.values.get("lm_head.bias")).toHaveLength(14);
    expect(weightReportLines(common.report)).toContain(`  ${TABLE}: 12 of 14 rows from 12`);

    const rows = vocabularyRows([..."abcdefghijkl"], [..."lxcab"]);
    expect(rows).toEqual([11, -1, 2, 0, 1]);
    const chosen = load(small({ vocabSize: 5, maskId: 4 }), { vocabulary: rows });
    const old = chosen.file.get(TABLE) ?? new Float32Array();
    const kept = chosen.values.get(TABLE) ?? new Float32Array();
    expect(kept.subarray(0, 8)).toEqual(old.subarray(88, 96));
    expect(kept.subarray(16, 24)).toEqual(old.subarray(16, 24));
    expect(() => load(larger, { vocabulary: [0] })).toThrow("1 rows, the model 14 tokens");
    expect(() => load(small(), { vocabulary: Array(12).fill(99) })).toThrow("wants row 99");
  });

  test("in other shapes is refused, with both shapes", () => {
    expect(() => load(small({ hiddenSize: 16 }), { vocabulary: "common" })).toThrow(
      /\[12, 8\], .* of the model \[12, 16\]/,
    );
  });

  test("in what is skipped keeps its initial values there", () => {
    const { values, report } = load(small(), { skipPrefixes: ["lm_head."] });
    expect([...values.keys()].some((name) => name.startsWith("lm_head."))).toBe(false);
    expect(report.initial).toContainEqual({ parameter: "lm_head.bias", reason: "skipped" });
    expect(weightReportLines(report).join("\n")).toContain(
      "initial values, skipped: lm_head.dense.weight, lm_head.dense.bias",
    );
  });

  test("with parameters of its own must be said to be partial", () => {
    const deeper = small({ layers: 2 });
    expect(() => load(deeper, {})).toThrow(
      /lacks esm.encoder.layer.1.attention.LayerNorm.weight.* and 13 more/,
    );
    const { report, values } = load(deeper, { partial: true });
    expect(report.initial).toHaveLength(16);
    expect(values.size).toBe(deeper.parameters.length - 16);
    expect(load(deeper, { skipPrefixes: ["esm.encoder.layer.1."] }).report.initial).toHaveLength(
      16,
    );
  });

  test("is another model: nothing is loaded", () => {
    const other = new Geneformer({
      layout: "bert",
      layers: 1,
      hiddenSize: 8,
      heads: 2,
      vocabSize: 12,
    });
    const { directory } = saved("other", other);
    expect(() => loadWeights(small(), directory, initial, { partial: true })).toThrow(
      "no tensor is a parameter of esm2",
    );
  });
});

describe("names in files", () => {
  /** A file of tensors with the shapes of the model's parameters. */
  function written(name: string, model: Esm2, tensorName: (parameter: string) => string) {
    const path = join(folder, name);
    const values = initialParameters(model.parameters, 1);
    const tensors = new Map(
      model.parameters.map(({ name: parameter, shape }) => [
        tensorName(parameter),
        { dtype: "F32" as const, shape, data: values.get(parameter) as Float32Array },
      ]),
    );
    return {
      path,
      values,
      tensors,
      write: () => writeSafetensors(path, tensors, { overwrite: true }),
    };
  }

  test("of the trunk alone, without its prefix, are found", () => {
    const { path, write, tensors } = written("trunk.safetensors", small(), (name) =>
      name.replace(/^esm\./, ""),
    );
    for (const name of [...tensors.keys()]) if (name.startsWith("lm_head")) tensors.delete(name);
    write();
    const { report } = loadWeights(small(), path, initial, { skipPrefixes: ["lm_head."] });
    expect(report.matched[0]).toEqual({
      parameter: TABLE,
      tensor: "embeddings.word_embeddings.weight",
    });
  });

  test("may begin otherwise", () => {
    const { path, write, values } = written("prefix.safetensors", small(), (name) => `old.${name}`);
    write();
    const loaded = loadWeights(small(), path, initial, { renamePrefixes: { "old.": "" } });
    expect(loaded.values).toEqual(values);
  });

  test("second names of a tied matrix must have its values", () => {
    const { path, write, tensors, values } = written("tied.safetensors", small(), (name) => name);
    const table = values.get(TABLE) as Float32Array;
    const twin = { dtype: "F32" as const, shape: [12, 8], data: Float32Array.from(table) };
    tensors.set("lm_head.decoder.weight", twin);
    write();
    expect(loadWeights(small(), path, initial).values.get(TABLE)).toEqual(table);
    tensors.delete(TABLE);
    write();
    expect(loadWeights(small(), path, initial).values.get(TABLE)).toEqual(table);
    tensors.set(TABLE, { ...twin, data: table.map((value, i) => (i === 9 ? 1 : value)) });
    write();
    expect(() => loadWeights(small(), path, initial)).toThrow(
      `lm_head.decoder.weight differs from ${TABLE} at element 9`,
    );
  });
});

test("a config.json cut at any byte, or of another kind, is a typed error", () => {
  const text = '{"model_type": "esm", "position_embedding_type": "rotary", "layer_norm_eps": 1e-5}';
  const path = join(folder, "config.json");
  for (let length = 0; length < text.length; length++) {
    writeFileSync(path, text.slice(0, length));
    expect(() => openBackbone(folder)).toThrow(expect.objectContaining({ code: "bad-config" }));
  }
  writeFileSync(path, "[1]");
  expect(() => openBackbone(folder)).toThrow("expected a JSON object");
  writeFileSync(path, '{"model_type": "gpt2"}');
  expect(() => openBackbone(folder)).toThrow('model_type "gpt2": expected esm, bert');
  expect(() => openBackbone(join(folder, "nowhere"))).toThrow("nowhere");
});
