import { expect, test } from "vitest";
import {
  add,
  addGradients,
  gelu,
  linear,
  ProgramBuilder,
  reshape,
  sum,
} from "../../../src/tensor/index.ts";
import { evaluate } from "../../../src/tensor/reference/evaluate.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

test("gradients of a transformer layer equal finite differences to 1e-8", () => {
  const program = transformer();
  const parameters = Object.fromEntries(
    [...randomParameters(program)].map(([name, data]) => [name, Float64Array.from(data)]),
  );
  const run = () => evaluate(program, { inputs: TRANSFORMER_INPUTS, parameters });
  const loss = () => run().outputs.get("loss")?.[0] ?? Number.NaN;
  const { gradients } = run();
  expect(new Set(gradients.keys())).toEqual(new Set(Object.keys(parameters)));
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
  const all = transformer();
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
