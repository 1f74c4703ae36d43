import type { AttentionAttributes } from "../op-attributes.ts";
import type { Value } from "../program.ts";
import type { Floats, Kernels } from "./buffers.ts";

interface Dimensions {
  readonly batch: number;
  readonly length: number;
  readonly keys: number;
  readonly heads: number;
  readonly width: number;
}

function dimensions(q: Value | undefined, k: Value | undefined): Dimensions {
  const [batch = 1, length = 1, heads = 1, width = 1] = q?.shape ?? [];
  return { batch, length, heads, width, keys: k?.shape[1] ?? 1 };
}

/** What q, k and v give before and after dropout, for one (row of the batch, head, query). */
interface Weights {
  readonly probability: Float64Array;
  /** Factor that dropout applied: 0 or 1 / (1 - rate). */
  readonly kept: Float64Array;
}

class AttentionRows {
  readonly dims: Dimensions;
  readonly #inputs: readonly Floats[];
  readonly #attributes: AttentionAttributes;

  constructor(dims: Dimensions, inputs: readonly Floats[], attributes: AttentionAttributes) {
    this.dims = dims;
    this.#inputs = inputs;
    this.#attributes = attributes;
  }

  /** Offset of a vector of q (`length`) or k, v (`keys`). */
  at(row: number, position: number, head: number, positions: number): number {
    const { heads, width } = this.dims;
    return ((row * positions + position) * heads + head) * width;
  }

  weights(row: number, head: number, query: number): Weights {
    const { length, keys, heads, width } = this.dims;
    const { scale, keyMask, segments, dropoutRate } = this.#attributes;
    const [q = EMPTY, k = EMPTY] = this.#inputs;
    const masks = this.#inputs.slice(3);
    const visible = keyMask ? masks.shift() : undefined;
    const own = segments ? masks.shift() : undefined;
    const theirs = segments ? masks.shift() : undefined;
    const dropped = dropoutRate > 0 ? masks.shift() : undefined;
    const from = this.at(row, query, head, length);
    const score = new Float64Array(keys);
    for (let key = 0; key < keys; key++) {
      const to = this.at(row, key, head, keys);
      for (let i = 0; i < width; i++) {
        score[key] = (score[key] ?? 0) + (q[from + i] ?? 0) * (k[to + i] ?? 0) * scale;
      }
      const hidden =
        visible?.[row * keys + key] === 0 ||
        own?.[row * length + query] !== theirs?.[row * keys + key];
      if (hidden) score[key] = -1e30;
    }
    const top = score.reduce((a, b) => Math.max(a, b));
    const power = score.map((value) => Math.exp(value - top));
    const total = power.reduce((a, b) => a + b, 0);
    const first = ((row * heads + head) * length + query) * keys;
    return {
      probability: power.map((value) => value / total),
      kept: power.map((_, key) =>
        dropped === undefined ? 1 : (dropped[first + key] ?? 0) / (1 - dropoutRate),
      ),
    };
  }

  /** Calls `visit` for every row of the batch, head and query. */
  each(visit: (row: number, head: number, query: number) => void): void {
    const { batch, heads, length } = this.dims;
    for (let row = 0; row < batch; row++) {
      for (let head = 0; head < heads; head++) {
        for (let query = 0; query < length; query++) visit(row, head, query);
      }
    }
  }
}

const EMPTY = new Float64Array(0);

function addScaled(
  to: Float64Array,
  at: number,
  from: Floats,
  begin: number,
  factor: number,
  width: number,
) {
  for (let i = 0; i < width; i++) to[at + i] = (to[at + i] ?? 0) + (from[begin + i] ?? 0) * factor;
}

export const ATTENTION_KERNELS = {
  attention: (node, inputs) => {
    const rows = new AttentionRows(
      dimensions(node.inputs[0], node.inputs[1]),
      inputs,
      node.attributes,
    );
    const { length, keys, width } = rows.dims;
    const out = new Float64Array(inputs[0].length);
    rows.each((row, head, query) => {
      const { probability, kept } = rows.weights(row, head, query);
      const at = rows.at(row, query, head, length);
      for (let key = 0; key < keys; key++) {
        const factor = (probability[key] ?? 0) * (kept[key] ?? 0);
        addScaled(out, at, inputs[2], rows.at(row, key, head, keys), factor, width);
      }
    });
    return [out];
  },
  attentionBackward: (node, [gradient, q, k, v, ...masks]) => {
    const dims = dimensions(node.inputs[1], node.inputs[2]);
    const rows = new AttentionRows(dims, [q, k, v, ...masks], node.attributes);
    const { length, keys, width } = dims;
    const [dq, dk, dv] = [q, k, v].map(({ length: count }) => new Float64Array(count));
    if (dq === undefined || dk === undefined || dv === undefined) return [];
    rows.each((row, head, query) => {
      const { probability, kept } = rows.weights(row, head, query);
      const at = rows.at(row, query, head, length);
      const slope = probability.map((_, key) => {
        const to = rows.at(row, key, head, keys);
        let dot = 0;
        for (let i = 0; i < width; i++) dot += (gradient[at + i] ?? 0) * (v[to + i] ?? 0);
        return dot * (kept[key] ?? 0);
      });
      const mean = slope.reduce((total, value, key) => total + value * (probability[key] ?? 0), 0);
      for (let key = 0; key < keys; key++) {
        const to = rows.at(row, key, head, keys);
        const p = probability[key] ?? 0;
        const ds = p * ((slope[key] ?? 0) - mean) * node.attributes.scale;
        addScaled(dv, to, gradient, at, p * (kept[key] ?? 0), width);
        addScaled(dq, at, k, to, ds, width);
        addScaled(dk, to, q, at, ds, width);
      }
    });
    return [dq, dk, dv];
  },
  rotary: (node, [x, given]) => {
    const [, length = 1, heads = 1, width = 1] = node.inputs[0]?.shape ?? [];
    const { base, inverse } = node.attributes;
    const positions = node.inputs.length > 1 ? given : undefined;
    const half = width / 2;
    const result = new Float64Array(x.length);
    for (let vector = 0; vector < x.length / width; vector++) {
      const token = Math.floor(vector / heads);
      const position = positions?.[token] ?? token % length;
      for (let j = 0; j < half; j++) {
        const angle = (inverse ? -1 : 1) * position * base ** ((-2 * j) / width);
        const at = vector * width + j;
        const [a, b] = [x[at] ?? 0, x[at + half] ?? 0];
        result[at] = a * Math.cos(angle) - b * Math.sin(angle);
        result[at + half] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
    return [result];
  },
} satisfies Partial<Kernels>;
