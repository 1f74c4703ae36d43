/** Rotary embedding as ONNX nodes. */
import type { ProgramNode, Value } from "../program.ts";
import { at, type EmitRules, type Emitter } from "./emitter.ts";
import { asBytes, MICROSOFT } from "./graph.ts";

export const ROTARY_RULES = {
  rotary: (node, [x, positions], emitter) => {
    const value = at(node.inputs, 0);
    const given = node.inputs.length > 1 ? positions : undefined;
    return [
      emitter.portable
        ? portableRotary(node, x, given, emitter)
        : fusedRotary(node, value, x, given, emitter),
    ];
  },
} satisfies Partial<EmitRules>;

/** cos and sin [positions, size / 2] as initializers. */
function tables(positions: number, size: number, base: number, sign: number, emitter: Emitter) {
  const half = size / 2;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let position = 0; position < positions; position++) {
    for (let j = 0; j < half; j++) {
      const angle = position * base ** ((-2 * j) / size);
      cos[position * half + j] = Math.cos(angle);
      sin[position * half + j] = sign * Math.sin(angle);
    }
  }
  const shape = [positions, half];
  const store = (data: Float32Array) => emitter.graph.initializer("float32", shape, asBytes(data));
  return [store(cos), store(sin)] as const;
}

function tablesFor(node: ProgramNode<"rotary">, emitter: Emitter): readonly [string, string] {
  const [, length = 1, , size = 1] = at(node.inputs, 0).shape;
  const { base, inverse } = node.attributes;
  return emitter.shared(`rotary ${length} ${size} ${base} ${inverse}`, () =>
    tables(length, size, base, inverse ? -1 : 1, emitter),
  );
}

function fusedRotary(
  node: ProgramNode<"rotary">,
  value: Value,
  x: string,
  positions: string | undefined,
  emitter: Emitter,
): string {
  const [batch = 1, length = 1, heads = 1, size = 1] = value.shape;
  const [cos, sin] = tablesFor(node, emitter);
  const wide = emitter.reshape(x, value.shape, [batch, length, heads * size]);
  const places =
    positions === undefined
      ? emitter.graph.integers([0])
      : emitter.op("Cast", [positions], { to: 7 });
  const attributes = { num_heads: heads, rotary_embedding_dim: size, interleaved: 0 };
  const turned = emitter.graph.op(
    "RotaryEmbedding",
    [wide, places, cos, sin],
    attributes,
    MICROSOFT,
  );
  return emitter.reshape(turned, [batch, length, heads * size], value.shape);
}

function portableRotary(
  node: ProgramNode<"rotary">,
  x: string,
  positions: string | undefined,
  emitter: Emitter,
): string {
  const size = at(node.inputs, 0).shape.at(-1) ?? 1;
  const axes = emitter.graph.integers(positions === undefined ? [0, 2] : [2]);
  const [cos = "", sin = ""] = tablesFor(node, emitter).map((table) => {
    const rows = positions === undefined ? table : emitter.op("Gather", [table, positions]);
    return emitter.op("Unsqueeze", [rows, axes]);
  });
  const halves = emitter.graph.integers([size / 2, size / 2]);
  const [a = "", b = ""] = emitter.graph.ops("Split", [x, halves], 2, { axis: -1 });
  const op = (type: string, left: string, right: string) => emitter.op(type, [left, right]);
  const first = op("Sub", op("Mul", a, cos), op("Mul", b, sin));
  const second = op("Add", op("Mul", b, cos), op("Mul", a, sin));
  return emitter.op("Concat", [first, second], { axis: -1 });
}
