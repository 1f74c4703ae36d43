import { expect, test } from "vitest";
import {
  add,
  addGradients,
  attention,
  crossEntropy,
  divide,
  elementCount,
  embedding,
  gelu,
  layerNorm,
  linear,
  ProgramBuilder,
  reshape,
  rotary,
  sum,
} from "../../../src/tensor/index.ts";
import { evaluate } from "../../../src/tensor/reference/evaluate.ts";

/** One pre-norm transformer layer with rotary attention, dropout of probabilities, a tied head. */
function transformer(): ProgramBuilder {
  const builder = new ProgramBuilder();
  const p = (name: string, ...shape: number[]) => builder.parameter(name, shape);
  const ids = builder.input("ids", "int32", [2, 4]);
  const x = embedding(p("table", 7, 8), ids);
  const h = layerNorm(x, p("norm.weight", 8), p("norm.bias", 8));
  const heads = (name: string) =>
    reshape(linear(h, p(`${name}.weight`, 8, 8), p(`${name}.bias`, 8)), [2, 4, 2, 4]);
  const mixed = attention(rotary(heads("q")), rotary(heads("k")), heads("v"), {
    keyMask: builder.input("mask", "bool", [2, 4]),
    dropout: { rate: 0.2, layer: 3 },
  });
  const y = add(x, linear(reshape(mixed, [2, 4, 8]), p("out.weight", 8, 8)));
  const hidden = gelu(linear(y, p("dense.weight", 8, 8), p("dense.bias", 8)));
  const logits = linear(reshape(hidden, [8, 8]), p("table", 7, 8));
  const { sum: total, count } = crossEntropy(logits, builder.input("labels", "int32", [8]));
  const loss = divide(total, count);
  builder.output("loss", loss);
  addGradients(builder, loss);
  return builder;
}

const INPUTS = {
  ids: [0, 1, 2, 3, 4, 5, 6, 0],
  mask: [1, 1, 1, 1, 1, 1, 1, 0],
  labels: [1, 2, -100, 3, 3, 3, 1, 0],
};

function randomParameters(builder: ProgramBuilder): Record<string, Float64Array> {
  let state = 1;
  const next = () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 30 - 1;
  };
  return Object.fromEntries(
    [...builder.parameters].map(([name, { shape }]) => [
      name,
      Float64Array.from({ length: elementCount(shape) }, next),
    ]),
  );
}

test("gradients of a transformer layer equal finite differences to 1e-8", () => {
  const builder = transformer();
  const program = builder.build();
  const parameters = randomParameters(builder);
  const run = () => evaluate(program, { inputs: INPUTS, parameters });
  const loss = () => run().outputs.get("loss")?.[0] ?? Number.NaN;
  const { gradients } = run();
  expect(new Set(gradients.keys())).toEqual(new Set(builder.parameters.keys()));
  for (const [name, values] of Object.entries(parameters)) {
    for (const at of [0, Math.floor(values.length / 2), values.length - 1]) {
      const value = values[at] ?? 0;
      values[at] = value + 1e-5;
      const above = loss();
      values[at] = value - 1e-5;
      const below = loss();
      values[at] = value;
      expect(gradients.get(name)?.[at], `${name}[${at}]`).toBeCloseTo((above - below) / 2e-5, 8);
    }
  }
});

test("only the chosen parameters get gradients, and nothing is computed for the others", () => {
  const all = transformer().build();
  const builder = new ProgramBuilder();
  const x = builder.input("x", "float32", [2, 3]);
  const hidden = gelu(linear(x, builder.parameter("first", [4, 3])));
  const loss = sum(linear(hidden, builder.parameter("second", [1, 4])));
  expect([...addGradients(builder, loss, { parameters: ["second"] }).keys()]).toEqual(["second"]);
  const program = builder.build();
  expect(program.nodes.map(({ op }) => op)).not.toContain("geluBackward");
  expect(all.nodes.map(({ op }) => op)).toContain("geluBackward");
});

test("errors of shapes name the operation and both shapes", () => {
  const builder = new ProgramBuilder();
  const x = builder.input("x", "float32", [2, 3]);
  const w = builder.parameter("w", [4, 5]);
  expect(() => linear(x, w)).toThrow(
    "linear: input and weight [out, in] differ: [2, 3] and [4, 5]",
  );
  expect(() => add(x, w)).toThrow("add: shapes do not broadcast: [2, 3] and [4, 5]");
  expect(() => reshape(x, [4, -1])).toThrow("reshape: shapes hold different counts");
  expect(() => builder.parameter("w", [5, 4])).toThrow("used with two shapes: [4, 5] and [5, 4]");
  expect(() => addGradients(builder, x)).toThrow("the loss must be a float32 scalar");
  const other = new ProgramBuilder().input("x", "float32", [2, 3]);
  expect(() => add(x, other)).toThrow("different programs");
});
