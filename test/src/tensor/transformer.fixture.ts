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
  type Program,
  ProgramBuilder,
  reshape,
  rotary,
} from "../../../src/tensor/index.ts";

/**
 * One pre-norm transformer layer with rotary attention of two heads of `size`, dropout of
 * probabilities, a tied head.
 */
export function transformer(size = 4): Program {
  const builder = new ProgramBuilder();
  const p = (name: string, ...shape: number[]) => builder.parameter(name, shape);
  const ids = builder.input("ids", "int32", [2, 4]);
  const x = embedding(p("table", 7, 8), ids);
  const h = layerNorm(x, p("norm.weight", 8), p("norm.bias", 8));
  const heads = (name: string) =>
    reshape(linear(h, p(`${name}.weight`, 2 * size, 8), p(`${name}.bias`, 2 * size)), [
      2,
      4,
      2,
      size,
    ]);
  const mixed = attention(rotary(heads("q")), rotary(heads("k")), heads("v"), {
    keyMask: builder.input("mask", "bool", [2, 4]),
    dropout: { rate: 0.2, layer: 3 },
  });
  const y = add(x, linear(reshape(mixed, [2, 4, 2 * size]), p("out.weight", 8, 2 * size)));
  const hidden = gelu(linear(y, p("dense.weight", 8, 8), p("dense.bias", 8)));
  const logits = linear(reshape(hidden, [8, 8]), p("table", 7, 8));
  const { sum: total, count } = crossEntropy(logits, builder.input("labels", "int32", [8]));
  const loss = divide(total, count);
  builder.output("loss", loss);
  addGradients(builder, loss);
  return builder.build();
}

export const TRANSFORMER_INPUTS = {
  ids: Int32Array.of(0, 1, 2, 3, 4, 5, 6, 0),
  mask: Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 0),
  labels: Int32Array.of(1, 2, -100, 3, 3, 3, 1, 0),
};

/** Seeded values in [-1, 1) for every parameter. */
export function randomParameters(program: Program): Map<string, Float32Array> {
  let state = 1;
  const next = () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 30 - 1;
  };
  return new Map(
    program.parameters.map(({ name, value }) => [
      name,
      Float32Array.from({ length: elementCount(value.shape) }, next),
    ]),
  );
}
