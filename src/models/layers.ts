/** Parts that the transformers of this folder share. Hidden states are [batch, length, hidden]. */
import {
  type AttentionOptions,
  add,
  attention,
  dropout,
  gatherRows,
  layerNorm,
  linear,
  reshape,
  rotary,
  type Value,
} from "../tensor/index.ts";
import type { Weights } from "./parameters.ts";

/** `x · weightᵀ + bias` of the layer `name`. */
export function dense(weights: Weights, name: string, x: Value): Value {
  return linear(x, weights(`${name}.weight`), weights(`${name}.bias`));
}

export function norm(weights: Weights, name: string, x: Value, epsilon: number): Value {
  return layerNorm(x, weights(`${name}.weight`), weights(`${name}.bias`), epsilon);
}

/** Numbers the dropouts of a program; rate 0 outside training. */
export class Dropouts {
  #next = 0;
  readonly #active: boolean;

  constructor(active: boolean) {
    this.#active = active;
  }

  apply(x: Value, rate: number): Value {
    return dropout(x, this.#active ? rate : 0, this.#next++);
  }

  /** For the option of `attention`. */
  ofAttention(rate: number): NonNullable<AttentionOptions["dropout"]> {
    return { rate: this.#active ? rate : 0, layer: this.#next++ };
  }
}

export interface HeadOptions {
  readonly heads: number;
  /** Turns queries and keys by their positions, with this base. Default: not. */
  readonly rotaryBase?: number | undefined;
  /** Rate of the dropout of attention probabilities. */
  readonly dropoutRate: number;
  readonly dropouts: Dropouts;
  /** Who sees whom. */
  readonly sight: Sight;
}

/** Which keys a query sees. */
export interface Sight {
  /** bool [batch, length]: true for a token. */
  readonly keyMask?: Value | undefined;
  /** int32 [batch, length]: number of the sequence in packed rows. */
  readonly segments?: Value | undefined;
  /** int32 [batch, length]: place in the sequence. Default: place in the row. */
  readonly positions?: Value | undefined;
}

/** Attention with several heads, between the projections: q, k, v [batch, length, hidden]. */
export function headsOfAttention(q: Value, k: Value, v: Value, options: HeadOptions): Value {
  const [batch = 1, length = 1, hidden = 1] = q.shape;
  const { heads, rotaryBase: base, sight, dropouts } = options;
  const shape = [batch, length, heads, hidden / heads];
  const { positions, keyMask, segments } = sight;
  const turned = (x: Value) => {
    const split = reshape(x, shape);
    if (base === undefined) return split;
    return rotary(split, positions === undefined ? { base } : { base, positions });
  };
  const mixed = attention(turned(q), turned(k), reshape(v, shape), {
    ...(keyMask === undefined ? {} : { keyMask }),
    ...(segments === undefined ? {} : { segments }),
    dropout: dropouts.ofAttention(options.dropoutRate),
  });
  return reshape(mixed, q.shape);
}

/** `x + dropout(branch)` */
export function residual(x: Value, branch: Value, rate: number, dropouts: Dropouts): Value {
  return add(x, dropouts.apply(branch, rate));
}

/** Hidden states as [rows, hidden]. */
export function rowsOf(hidden: Value): Value {
  return reshape(hidden, [-1, hidden.shape.at(-1) ?? 1]);
}

/**
 * What is left to compute behind the attention of a layer: nothing but `rows` in the last one, as
 * [rows, hidden], where there are rows; x elsewhere.
 */
export function wanted(x: Value, rows: Value | undefined, isLast: boolean): Value {
  return isLast && rows !== undefined ? gatherRows(rowsOf(x), rows) : x;
}
