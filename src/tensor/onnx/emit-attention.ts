/** Attention and rotary embedding as ONNX nodes. Inside, heads come before positions. */
import type { AttentionAttributes } from "../op-attributes.ts";
import type { ProgramNode, Value } from "../program.ts";
import { at, type EmitRules, type Emitter } from "./emitter.ts";
import { asBytes, MICROSOFT } from "./graph.ts";

const HEADS_FIRST = [0, 2, 1, 3];
/** Added to scores of keys that a query does not see. */
const HIDDEN = -1e30;

export const ATTENTION_RULES = {
  attention: (node, inputs, emitter) => {
    const { attributes } = node;
    const [q, k, v] = headsFirst(node.inputs, inputs, emitter);
    const masks = masksOf(node, node.inputs.slice(3), inputs.slice(3), emitter);
    let scores = emitter.matmul(q, k, 4, { transB: true, alpha: attributes.scale });
    if (masks.bias !== undefined) scores = emitter.op("Add", [scores, masks.bias]);
    const probability = emitter.op("Softmax", [scores], { axis: -1 });
    emitter.once(at(node.outputs, 0), "probability", () => probability);
    const { weights, alpha } = dropped(probability, masks.dropout, attributes, emitter);
    const mixed = emitter.matmul(weights, v, 4, { alpha });
    return [emitter.op("Transpose", [mixed], { perm: HEADS_FIRST })];
  },
  attentionBackward: (node, inputs, emitter) => {
    const { attributes } = node;
    const out = at(node.inputs, -1);
    const [gradient, ...given] = inputs;
    const [q, k, v] = headsFirst(node.inputs.slice(1), given, emitter);
    const masks = masksOf(node, node.inputs.slice(4, -1), given.slice(3, -1), emitter);
    const probability = emitter.once(out, "probability", () => {
      throw new Error("attentionBackward came before attention");
    });
    const { weights, alpha } = dropped(probability, masks.dropout, attributes, emitter);
    const slope = emitter.op("Transpose", [gradient], { perm: HEADS_FIRST });
    const dv = emitter.matmul(weights, slope, 4, { transA: true, alpha });
    let dp = emitter.matmul(slope, v, 4, { transB: true, alpha });
    if (masks.dropout !== undefined) dp = emitter.op("Mul", [dp, masks.dropout]);
    // The row sums of probability * dp are those of gradient * output, which is much smaller.
    const product = emitter.op("Mul", [gradient, given.at(-1) ?? ""]);
    const [batch = 1, length = 1, heads = 1] = out.shape;
    const dot = emitter.op("Transpose", [emitter.sum(product, [3], true)], { perm: HEADS_FIRST });
    const sums = emitter.reshape(dot, [], [batch, heads, length, 1]);
    const ds = emitter.op("Mul", [probability, emitter.op("Sub", [dp, sums])]);
    const dq = emitter.matmul(ds, k, 4, { alpha: attributes.scale });
    const dk = emitter.matmul(ds, q, 4, { transA: true, alpha: attributes.scale });
    return [dq, dk, dv].map((name) => emitter.op("Transpose", [name], { perm: HEADS_FIRST }));
  },
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

/** q, k, v with heads before positions; the backward pass uses those of the forward pass. */
function headsFirst(
  values: readonly Value[],
  names: readonly string[],
  emitter: Emitter,
): [string, string, string] {
  const [q = "", k = "", v = ""] = values
    .slice(0, 3)
    .map((value, place) =>
      emitter.once(value, "heads first", () =>
        emitter.op("Transpose", [names[place] ?? ""], { perm: HEADS_FIRST }),
      ),
    );
  return [q, k, v];
}

interface Masks {
  /** Added to the scores, broadcast to [batch, heads, length, keys]. */
  readonly bias: string | undefined;
  /** float32 0 and 1 */
  readonly dropout: string | undefined;
}

function masksOf(
  node: ProgramNode<"attention" | "attentionBackward">,
  values: readonly Value[],
  names: readonly string[],
  emitter: Emitter,
): Masks {
  const { keyMask, segments, dropoutRate } = node.attributes;
  const left = names.map((name, place) => ({ name, value: at(values, place) }));
  const biases: string[] = [];
  const [zero, hidden] = [emitter.graph.float(0), emitter.graph.float(HIDDEN)];
  const axes = (list: readonly number[]) => emitter.graph.integers(list);
  if (keyMask) {
    const mask = left.shift();
    if (mask !== undefined) {
      biases.push(
        emitter.once(mask.value, "key bias", () => {
          const wide = emitter.op("Unsqueeze", [mask.name, axes([1, 2])]);
          return emitter.op("Where", [wide, zero, hidden]);
        }),
      );
    }
  }
  if (segments) {
    const [own, theirs] = left.splice(0, 2);
    if (own !== undefined && theirs !== undefined) {
      biases.push(
        emitter.once(own.value, `segments ${theirs.value.id}`, () => {
          const query = emitter.op("Unsqueeze", [own.name, axes([1, 3])]);
          const key = emitter.op("Unsqueeze", [theirs.name, axes([1, 2])]);
          return emitter.op("Where", [emitter.op("Equal", [query, key]), zero, hidden]);
        }),
      );
    }
  }
  const mask = dropoutRate > 0 ? left.shift() : undefined;
  const [first, second] = biases;
  return {
    bias: first === undefined || second === undefined ? first : emitter.op("Add", [first, second]),
    dropout: mask === undefined ? undefined : emitter.op("Cast", [mask.name], { to: 1 }),
  };
}

/** Probabilities after dropout without its factor, which goes into the product as `alpha`. */
function dropped(
  probability: string,
  mask: string | undefined,
  { dropoutRate }: AttentionAttributes,
  emitter: Emitter,
): { readonly weights: string; readonly alpha: number } {
  if (mask === undefined) return { weights: probability, alpha: 1 };
  return { weights: emitter.op("Mul", [probability, mask]), alpha: 1 / (1 - dropoutRate) };
}

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
