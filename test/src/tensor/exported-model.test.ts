import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import {
  attention,
  embedding,
  exportedModel,
  gelu,
  layerNorm,
  linear,
  ProgramBuilder,
  reshape,
  rotary,
  sum,
} from "../../../src/tensor/index.ts";
import { evaluate } from "../../../src/tensor/reference/evaluate.ts";
import { randomParameters, transformer } from "./transformer.fixture.ts";

test("an exported model has its weights, standard operators and the reference's results", async () => {
  const builder = new ProgramBuilder();
  const ids = builder.input("ids", "int32", [2, 3]);
  const mask = builder.input("mask", "bool", [2, 3]);
  const positions = builder.input("positions", "int32", [2, 3]);
  const x = embedding(builder.parameter("table", [5, 8]), ids);
  const h = layerNorm(x, builder.parameter("w", [8]), builder.parameter("b", [8]));
  const heads = reshape(linear(h, builder.parameter("q", [8, 8])), [2, 3, 2, 4]);
  const mixed = attention(rotary(heads), rotary(heads, { positions }), heads, { keyMask: mask });
  builder.output("hidden", gelu(reshape(mixed, [2, 3, 8])));
  builder.output("total", sum(mixed));
  const program = builder.build();
  const values = randomParameters(program);
  const bytes = exportedModel(program, values);
  expect(Buffer.from(bytes).includes("com.microsoft")).toBe(false);

  const inputs = {
    ids: Int32Array.of(0, 1, 2, 3, 4, 0),
    mask: Uint8Array.of(1, 1, 1, 1, 1, 0),
    positions: Int32Array.of(0, 1, 0, 1, 2, 0),
  };
  const session = await InferenceSession.create(bytes);
  const found = await session.run({
    ids: new Tensor("int32", inputs.ids, [2, 3]),
    mask: new Tensor("bool", inputs.mask, [2, 3]),
    positions: new Tensor("int32", inputs.positions, [2, 3]),
  });
  await session.release();
  const { outputs } = evaluate(program, { inputs, parameters: Object.fromEntries(values) });
  const hidden = found["hidden"]?.data as Float32Array; // proof: a float32 output
  for (const [at, value] of (outputs.get("hidden") ?? []).entries()) {
    expect(hidden[at]).toBeCloseTo(value, 5);
  }
});

test("an exported model cannot have one name for an input and an output", () => {
  const builder = new ProgramBuilder();
  builder.output("x", gelu(builder.input("x", "float32", [2])));
  const program = builder.build();
  expect(() => exportedModel(program, new Map())).toThrow(
    "both an input and an output are named x",
  );
});

test("a program with dropout cannot be exported", () => {
  const program = transformer();
  expect(() => exportedModel(program, randomParameters(program))).toThrow(
    "a program with dropout cannot be exported",
  );
});
