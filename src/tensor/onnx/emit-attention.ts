/** Attention as ONNX nodes. Inside, heads come before positions. */
import type { AttentionAttributes } from "../op-attributes.ts";
import type { ProgramNode, Value } from "../program.ts";
import { at, type EmitRules, type Emitter } from "./emitter.ts";

const HEADS_FIRST = [0, 2, 1, 3];
/** From [batch, heads, size, keys] to [batch, keys, heads, size]. */
const SIZE_BEFORE_KEYS = [0, 3, 1, 2];
/** Scores computed at a time. */
const PIECE_BYTES = 2 ** 23;
/** So that a graph of many layers does not take long to load. */
const MOST_PIECES = 24;
/** From this head size on, products over queries are faster with the large matrix first. */
const WIDE_HEAD = 64;
/** Added to scores of keys that a query does not see. */
const HIDDEN = -1e30;

export const ATTENTION_RULES = {
  attention: (node, inputs, emitter) => {
    const out = at(node.outputs, 0);
    const [length = 1, keys = 1] = [out.shape[1], at(node.inputs, 1).shape[1]];
    const [q, k, v] = headsFirst(node.inputs, inputs, emitter);
    const { segments, scale, dropoutRate } = node.attributes;
    const [left, right] = withKeyMask(node, q, k, inputs, emitter);
    const alpha = 1 / (1 - dropoutRate);
    const bias = segments ? segmentBias(node, inputs, emitter) : undefined;
    const pieces = new Pieces(node.inputs, node.attributes, emitter);
    const lefts = pieces.split(left, length);
    const [rights, values] = [pieces.split(right, keys), pieces.split(v, keys)];
    const mixed = pieces.each([length], (piece, rank) => {
      const product = emitter.matmul(of(lefts, piece), of(rights, piece), rank, {
        ...{ transB: true, alpha: scale },
      });
      const scores = bias === undefined ? product : emitter.op("Add", [product, bias]);
      const probability = emitter.op("Softmax", [scores], { axis: -1 });
      // Probabilities after dropout, without its factor, which goes into the product.
      const weights =
        dropoutRate > 0 ? emitter.op("Mul", [probability, inputs.at(-1) ?? ""]) : probability;
      emitter.once(out, `probability ${piece}`, () => probability);
      emitter.once(out, `weights ${piece}`, () => weights);
      return [emitter.matmul(weights, of(values, piece), rank, { alpha })];
    });
    return [emitter.op("Transpose", [of(mixed, 0)], { perm: HEADS_FIRST })];
  },
  attentionBackward: (node, inputs, emitter) => {
    const { scale, dropoutRate } = node.attributes;
    const alpha = 1 / (1 - dropoutRate);
    const out = at(node.inputs, -1);
    const [gradient, ...given] = inputs;
    const slope = emitter.op("Transpose", [gradient], { perm: HEADS_FIRST });
    const [batch = 1, length = 1, heads = 1, size = 1] = out.shape;
    // The row sums of probability * dp are those of gradient * output, which is much smaller.
    const rows = emitter.sum(emitter.op("Mul", [gradient, given.at(-1) ?? ""]), [3], true);
    const dot = emitter.op("Transpose", [rows], { perm: HEADS_FIRST });
    const sums = emitter.reshape(dot, [], [batch, heads, length, 1]);
    // dv and dk of narrow heads as [size, keys]: the large matrix is the second factor, not turned.
    const isNarrow = size < WIDE_HEAD;
    const op = (type: string, a: string, b: string) => emitter.op(type, [a, b]);
    const keys = at(node.inputs, 2).shape[1] ?? 1;
    const pieces = new Pieces(node.inputs.slice(1), node.attributes, emitter);
    const [q, k, v] = headsFirst(node.inputs.slice(1), given, emitter);
    const [ks, vs] = [pieces.split(k, keys), pieces.split(v, keys)];
    const [qs, slopes, totals] = [q, slope, sums].map((name) => pieces.split(name, length));
    const turned = isNarrow ? size : keys;
    const [dq, dk, dv] = pieces.each([length, turned, turned], (piece, rank) => {
      const probability = emitter.once(out, `probability ${piece}`, missing);
      const weights = emitter.once(out, `weights ${piece}`, missing);
      const overQueries = (large: string, small: string, factor: number) => {
        const flags = { transA: true, alpha: factor };
        if (isNarrow) return emitter.matmul(small, large, rank, flags);
        return emitter.matmul(large, small, rank, flags);
      };
      const [some, total] = [of(slopes, piece), of(totals, piece)];
      const dp = emitter.matmul(some, of(vs, piece), rank, { transB: true, alpha });
      // Dropped weights stand for their mask, which the backward pass needs no more.
      const ds =
        dropoutRate > 0
          ? op("Sub", op("Mul", weights, dp), op("Mul", probability, total))
          : op("Mul", probability, op("Sub", dp, total));
      return [
        emitter.matmul(ds, of(ks, piece), rank, { alpha: scale }),
        overQueries(ds, of(qs, piece), scale),
        overQueries(weights, some, alpha),
      ];
    });
    const perm = isNarrow ? SIZE_BEFORE_KEYS : HEADS_FIRST;
    return [
      emitter.op("Transpose", [dq ?? ""], { perm: HEADS_FIRST }),
      ...[dk, dv].map((name) => emitter.op("Transpose", [name ?? ""], { perm })),
    ];
  },
} satisfies Partial<EmitRules>;

/**
 * Attention a few heads at a time, so that their scores stay in the cache; all at once where that
 * does not pay, and with dropout or segments, whose tensors would have to be cut.
 */
class Pieces {
  readonly #emitter: Emitter;
  readonly #batch: number;
  readonly #heads: number;
  /** Matrices of each piece; null for all at once. */
  readonly #sizes: readonly number[] | null;

  constructor(
    [q, k]: readonly Value[],
    { segments, dropoutRate }: AttentionAttributes,
    emitter: Emitter,
  ) {
    const [batch = 1, length = 1, heads = 1] = q?.shape ?? [];
    const bytes = 4 * batch * heads * length * (k?.shape[1] ?? 1);
    const count = Math.min(batch * heads, MOST_PIECES, Math.ceil(bytes / PIECE_BYTES));
    const bound = (piece: number) => Math.floor((piece * batch * heads) / count);
    const isWhole = emitter.portable || segments || dropoutRate > 0 || count === 1;
    this.#emitter = emitter;
    this.#batch = batch;
    this.#heads = heads;
    this.#sizes = isWhole
      ? null
      : Array.from({ length: count }, (_, piece) => bound(piece + 1) - bound(piece));
  }

  /** The parts of a tensor [batch, heads, rows, columns] as [some, rows, columns]. */
  split(name: string, rows: number): readonly string[] {
    if (this.#sizes === null) return [name];
    const { graph } = this.#emitter;
    const shape = graph.integers([this.#batch * this.#heads, rows, -1]);
    const flat = this.#emitter.op("Reshape", [name, shape]);
    return graph.ops("Split", [flat, graph.integers(this.#sizes)], this.#sizes.length, { axis: 0 });
  }

  /** What `compute` makes of every piece as tensors [batch, heads, rows, columns]; their rows. */
  each(
    rows: readonly number[],
    compute: (piece: number, rank: number) => readonly string[],
  ): readonly string[] {
    if (this.#sizes === null) return compute(0, 4);
    const parts = this.#sizes.map((_, piece) => compute(piece, 3));
    return rows.map((count, place) => {
      const names = parts.map((part) => of(part, place));
      const joined = this.#emitter.op("Concat", names, { axis: 0 });
      const shape = this.#emitter.graph.integers([this.#batch, this.#heads, count, -1]);
      return this.#emitter.op("Reshape", [joined, shape]);
    });
  }
}

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

/** [batch, 1, length, keys]: what is added to scores so that segments do not see each other. */
function segmentBias(
  node: ProgramNode<"attention">,
  inputs: readonly string[],
  emitter: Emitter,
): string {
  const { graph } = emitter;
  const place = node.attributes.keyMask ? 4 : 3;
  const [own, theirs] = [at(node.inputs, place), at(node.inputs, place + 1)];
  return emitter.once(own, `segments ${theirs.id}`, () => {
    const query = emitter.op("Unsqueeze", [inputs[place] ?? "", graph.integers([1, 3])]);
    const key = emitter.op("Unsqueeze", [inputs[place + 1] ?? "", graph.integers([1, 2])]);
    const visible = emitter.op("Equal", [query, key]);
    return emitter.op("Where", [visible, graph.float(0), graph.float(HIDDEN)]);
  });
}

function of(names: readonly string[] | undefined, place: number): string {
  return names?.[place] ?? "";
}

function missing(): string {
  throw new Error("attentionBackward came before attention");
}
