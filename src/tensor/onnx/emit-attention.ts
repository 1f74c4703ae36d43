/** Attention and rotary embedding as ONNX nodes. Inside, heads come before positions. */
import type { ProgramNode, Value } from "../program.ts";
import { at, type EmitRules, type Emitter } from "./emitter.ts";
import { asBytes, MICROSOFT } from "./graph.ts";

const HEADS_FIRST = [0, 2, 1, 3];
/** From [batch, heads, size, keys] to [batch, keys, heads, size]. */
const SIZE_BEFORE_KEYS = [0, 3, 1, 2];
/** Scores computed at a time where nothing needs them later. */
const PIECE_BYTES = 2 ** 23;
/** From this head size on, products over queries are faster with the large matrix first. */
const WIDE_HEAD = 64;
/** Added to scores of keys that a query does not see. */
const HIDDEN = -1e30;

export const ATTENTION_RULES = {
  attention: (node, inputs, emitter) => {
    const { dropoutRate } = node.attributes;
    const [q, k, v] = headsFirst(node.inputs, inputs, emitter);
    const mixedInPieces = piecewise(node, [q, k, v], inputs, emitter);
    if (mixedInPieces !== null) {
      return [emitter.op("Transpose", [mixedInPieces], { perm: HEADS_FIRST })];
    }
    const scores = maskedScores(node, q, k, inputs, emitter);
    const probability = emitter.op("Softmax", [scores], { axis: -1 });
    // Probabilities after dropout, without its factor, which goes into the product.
    const mask = inputs.at(-1) ?? "";
    const weights = dropoutRate > 0 ? emitter.op("Mul", [probability, mask]) : probability;
    emitter.once(at(node.outputs, 0), "probability", () => probability);
    emitter.once(at(node.outputs, 0), "weights", () => weights);
    const mixed = emitter.matmul(weights, v, 4, { alpha: 1 / (1 - dropoutRate) });
    return [emitter.op("Transpose", [mixed], { perm: HEADS_FIRST })];
  },
  attentionBackward: (node, inputs, emitter) => {
    const { scale, dropoutRate } = node.attributes;
    const alpha = 1 / (1 - dropoutRate);
    const out = at(node.inputs, -1);
    const [gradient, ...given] = inputs;
    const [q, k, v] = headsFirst(node.inputs.slice(1), given, emitter);
    const [probability, weights] = [
      emitter.once(out, "probability", missing),
      emitter.once(out, "weights", missing),
    ];
    const slope = emitter.op("Transpose", [gradient], { perm: HEADS_FIRST });
    const [batch = 1, length = 1, heads = 1, size = 1] = out.shape;
    // dv and dk of narrow heads as [size, keys]: the large matrix is the second factor, not turned.
    const isNarrow = size < WIDE_HEAD;
    const overQueries = (large: string, small: string, factor: number) => {
      const flags = { transA: true, alpha: factor };
      if (isNarrow) return emitter.matmul(small, large, 4, flags);
      return emitter.matmul(large, small, 4, flags);
    };
    const dv = overQueries(weights, slope, alpha);
    const dp = emitter.matmul(slope, v, 4, { transB: true, alpha });
    // The row sums of probability * dp are those of gradient * output, which is much smaller.
    const product = emitter.op("Mul", [gradient, given.at(-1) ?? ""]);
    const dot = emitter.op("Transpose", [emitter.sum(product, [3], true)], { perm: HEADS_FIRST });
    const sums = emitter.reshape(dot, [], [batch, heads, length, 1]);
    const op = (type: string, a: string, b: string) => emitter.op(type, [a, b]);
    // Dropped weights stand for their mask, which the backward pass needs no more.
    const ds =
      dropoutRate > 0
        ? op("Sub", op("Mul", weights, dp), op("Mul", probability, sums))
        : op("Mul", probability, op("Sub", dp, sums));
    const dq = emitter.matmul(ds, k, 4, { alpha: scale });
    const dk = overQueries(ds, q, scale);
    const perm = isNarrow ? SIZE_BEFORE_KEYS : HEADS_FIRST;
    return [
      emitter.op("Transpose", [dq], { perm: HEADS_FIRST }),
      ...[dk, dv].map((name) => emitter.op("Transpose", [name], { perm })),
    ];
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

/**
 * Attention without backward pass, a few heads at a time, so that their scores stay in the cache;
 * null where that does not pay or the scores are needed later.
 */
function piecewise(
  node: ProgramNode<"attention">,
  [q, k, v]: readonly [string, string, string],
  inputs: readonly string[],
  emitter: Emitter,
): string | null {
  const { segments, dropoutRate, scale } = node.attributes;
  const [batch = 1, length = 1, heads = 1, size = 1] = at(node.inputs, 0).shape;
  const keys = at(node.inputs, 1).shape[1] ?? 1;
  const matrices = batch * heads;
  const pieces = Math.min(matrices, Math.ceil((matrices * length * keys * 4) / PIECE_BYTES));
  if (emitter.isTraining || emitter.portable || segments || dropoutRate > 0 || pieces === 1) {
    return null;
  }
  const { graph } = emitter;
  const bounds = Array.from({ length: pieces + 1 }, (_, piece) =>
    Math.floor((piece * matrices) / pieces),
  );
  const sizes = graph.integers(bounds.slice(1).map((end, piece) => end - (bounds[piece] ?? 0)));
  const split = (name: string, positions: number) => {
    const flat = emitter.op("Reshape", [name, graph.integers([matrices, positions, -1])]);
    return graph.ops("Split", [flat, sizes], pieces, { axis: 0 });
  };
  const [left, right] = withKeyMask(node, q, k, inputs, emitter);
  const [lefts, rights, values] = [split(left, length), split(right, keys), split(v, keys)];
  const mixed = lefts.map((some, piece) => {
    const scores = emitter.matmul(some, rights[piece] ?? "", 3, { transB: true, alpha: scale });
    const weights = emitter.op("Softmax", [scores], { axis: -1 });
    return emitter.matmul(weights, values[piece] ?? "", 3);
  });
  const joined = emitter.op("Concat", mixed, { axis: 0 });
  return emitter.op("Reshape", [joined, graph.integers([batch, heads, length, size])]);
}

/**
 * q and k with a mask of keys as one more column of their product, a one in q and the bias in k:
 * adding it to the scores would be a pass over the largest tensor there is.
 */
function withKeyMask(
  node: ProgramNode<"attention">,
  q: string,
  k: string,
  inputs: readonly string[],
  emitter: Emitter,
): readonly [string, string] {
  if (!node.attributes.keyMask) return [q, k];
  const [batch = 1, length = 1, heads = 1] = at(node.inputs, 0).shape;
  const keys = at(node.inputs, 1).shape[1] ?? 1;
  const { graph } = emitter;
  const ones = emitter.shared(`ones ${batch} ${heads} ${length}`, () => {
    const shape = graph.integers([batch, heads, length, 1]);
    return [emitter.op("Expand", [graph.float(1), shape]), ""];
  });
  const column = emitter.once(at(node.inputs, 3), `key bias ${heads}`, () => {
    const wide = emitter.op("Unsqueeze", [inputs[3] ?? "", graph.integers([1, 3])]);
    const bias = emitter.op("Where", [wide, graph.float(0), graph.float(HIDDEN)]);
    return emitter.op("Expand", [bias, graph.integers([batch, heads, keys, 1])]);
  });
  const join = (a: string, b: string) => emitter.op("Concat", [a, b], { axis: -1 });
  return [join(q, ones[0]), join(k, column)];
}

/** scale · q kᵀ with hidden keys pushed down. */
function maskedScores(
  node: ProgramNode<"attention">,
  q: string,
  k: string,
  inputs: readonly string[],
  emitter: Emitter,
): string {
  const { keyMask, segments, scale } = node.attributes;
  const { graph } = emitter;
  const [left, right] = withKeyMask(node, q, k, inputs, emitter);
  const scores = emitter.matmul(left, right, 4, { transB: true, alpha: scale });
  if (!segments) return scores;
  const place = keyMask ? 4 : 3;
  const [own, theirs] = [at(node.inputs, place), at(node.inputs, place + 1)];
  const bias = emitter.once(own, `segments ${theirs.id}`, () => {
    const query = emitter.op("Unsqueeze", [inputs[place] ?? "", graph.integers([1, 3])]);
    const key = emitter.op("Unsqueeze", [inputs[place + 1] ?? "", graph.integers([1, 2])]);
    const visible = emitter.op("Equal", [query, key]);
    return emitter.op("Where", [visible, graph.float(0), graph.float(HIDDEN)]);
  });
  return emitter.op("Add", [scores, bias]);
}

function missing(): string {
  throw new Error("attentionBackward came before attention");
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
