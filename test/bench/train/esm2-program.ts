/** A program of ESM-2's shape, to measure executors with: all logits, mean loss at the labels. */
import {
  add,
  addGradients,
  attention,
  crossEntropy,
  divide,
  embedding,
  gelu,
  layerNorm,
  linear,
  type Program,
  ProgramBuilder,
  reshape,
  rotary,
  type Value,
} from "../../../src/tensor/index.ts";

export interface Esm2Shape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
}

export const ESM2_SHAPES: Readonly<Record<"8M" | "35M" | "150M", Esm2Shape>> = {
  "8M": { layers: 6, hidden: 320, heads: 20 },
  "35M": { layers: 12, hidden: 480, heads: 20 },
  "150M": { layers: 30, hidden: 640, heads: 20 },
};

export const VOCABULARY = 33;

export function esm2Program(
  shape: Esm2Shape,
  batch: number,
  length: number,
  train: boolean,
): Program {
  const { layers, hidden, heads } = shape;
  const builder = new ProgramBuilder();
  const norm = (x: Value, name: string) =>
    layerNorm(
      x,
      builder.parameter(`${name}.weight`, [hidden]),
      builder.parameter(`${name}.bias`, [hidden]),
    );
  const dense = (x: Value, name: string, width: number) =>
    linear(
      x,
      builder.parameter(`${name}.weight`, [width, x.shape.at(-1) ?? 1]),
      builder.parameter(`${name}.bias`, [width]),
    );
  const split = [batch, length, heads, hidden / heads];
  const table = builder.parameter("embed.weight", [VOCABULARY, hidden]);
  let x = embedding(table, builder.input("ids", "int32", [batch, length]));
  const keyMask = builder.input("mask", "bool", [batch, length]);
  for (let layer = 0; layer < layers; layer++) {
    const name = `layer.${layer}`;
    const h = norm(x, `${name}.norm1`);
    const q = rotary(reshape(dense(h, `${name}.q`, hidden), split));
    const k = rotary(reshape(dense(h, `${name}.k`, hidden), split));
    const v = reshape(dense(h, `${name}.v`, hidden), split);
    const mixed = reshape(attention(q, k, v, { keyMask }), [batch, length, hidden]);
    x = add(x, dense(mixed, `${name}.out`, hidden));
    const wide = gelu(dense(norm(x, `${name}.norm2`), `${name}.up`, 4 * hidden));
    x = add(x, dense(wide, `${name}.down`, hidden));
  }
  const features = norm(gelu(dense(norm(x, "norm"), "head.dense", hidden)), "head.norm");
  const flat = reshape(features, [batch * length, hidden]);
  const logits = linear(flat, table, builder.parameter("head.bias", [VOCABULARY]));
  if (!train) {
    builder.output("logits", logits);
    return builder.build();
  }
  const { sum, count } = crossEntropy(logits, builder.input("labels", "int32", [batch * length]));
  const loss = divide(sum, count);
  builder.output("loss", loss);
  addGradients(builder, loss);
  return builder.build();
}
