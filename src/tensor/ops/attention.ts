/** Attention and what belongs to it. Heads stay in place: [batch, length, heads, size] in and out. */
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { Value } from "../program.ts";
import {
  requireDType,
  requireFloat,
  requireRank,
  resolveAxis,
  sameShape,
  shapeMismatch,
} from "../shape-checks.ts";
import { dropoutMask } from "./elementwise.ts";
import { one } from "./one.ts";

export interface AttentionOptions {
  /** Factor of the scores. Default: size of a head to the power -1/2. */
  readonly scale?: number;
  /** bool [batch, keys]: true where a key is a token, false where it is padding. */
  readonly keyMask?: Value;
  /**
   * int32 [batch, length]: only positions of equal number see each other, for several sequences
   * packed into one row. `segments` serves queries and keys.
   */
  readonly segments?: Value;
  /** Dropout of the probabilities, with the number of its mask (see `dropout`). */
  readonly dropout?: { readonly rate: number; readonly layer: number };
}

/**
 * softmax(scale · q kᵀ) v by head. q [batch, length, heads, size], k and v [batch, keys, heads, size].
 * Where a query sees no key at all, all keys count alike; give such rows no weight in the loss.
 */
export function attention(q: Value, k: Value, v: Value, options: AttentionOptions = {}): Value {
  requireFloat("attention", q, k, v);
  for (const [name, value] of Object.entries({ q, k, v })) requireRank("attention", value, 4, name);
  const [batch = 1, length = 1, heads = 1, size = 1] = q.shape;
  const keys = k.shape[1] ?? 1;
  if (!sameShape(k.shape, [batch, keys, heads, size])) {
    throw shapeMismatch("attention", "q and k differ", q.shape, k.shape);
  }
  if (!sameShape(v.shape, k.shape))
    throw shapeMismatch("attention", "k and v differ", k.shape, v.shape);
  const inputs = [q, k, v];
  const { keyMask, segments, dropout } = options;
  if (keyMask !== undefined) {
    requireDType("attention", keyMask, "bool", "keyMask");
    if (!sameShape(keyMask.shape, [batch, keys])) {
      throw shapeMismatch(
        "attention",
        "keyMask [batch, keys] and k differ",
        keyMask.shape,
        k.shape,
      );
    }
    inputs.push(keyMask);
  }
  if (segments !== undefined) {
    requireDType("attention", segments, "int32", "segments");
    if (!sameShape(segments.shape, [batch, length]) || length !== keys) {
      throw shapeMismatch(
        "attention",
        "segments [batch, length] and q differ",
        segments.shape,
        q.shape,
      );
    }
    inputs.push(segments, segments);
  }
  const dropoutRate = dropout?.rate ?? 0;
  if (dropout !== undefined && dropoutRate !== 0) {
    inputs.push(dropoutMask(q, [batch, heads, length, keys], dropoutRate, dropout.layer));
  }
  const attributes = {
    scale: options.scale ?? size ** -0.5,
    keyMask: keyMask !== undefined,
    segments: segments !== undefined,
    dropoutRate,
  };
  return one(q.builder.emit("attention", inputs, attributes, [q]));
}

/**
 * Rotary position embedding on all of the head, halves not interleaved (ESM-2, GPT-NeoX).
 * `positions` int32 [batch, length] restart inside packed rows; default 0, 1, 2, ...
 */
export function rotary(x: Value, options: { base?: number; positions?: Value } = {}): Value {
  requireFloat("rotary", x);
  requireRank("rotary", x, 4, "input");
  if ((x.shape[3] ?? 0) % 2 !== 0) {
    throw new InvalidArgumentError("x", x.shape, `rotary: the head size ${x.shape[3]} is odd`);
  }
  const { base = 10_000, positions } = options;
  const inputs = [x];
  if (positions !== undefined) {
    requireDType("rotary", positions, "int32", "positions");
    if (!sameShape(positions.shape, x.shape.slice(0, 2))) {
      throw shapeMismatch(
        "rotary",
        "positions [batch, length] and input differ",
        positions.shape,
        x.shape,
      );
    }
    inputs.push(positions);
  }
  return one(x.builder.emit("rotary", inputs, { base, inverse: false }, [x]));
}

/** Softmax over the last axis. */
export function softmax(x: Value): Value {
  requireFloat("softmax", x);
  resolveAxis("softmax", -1, x.shape);
  return one(x.builder.emit("softmax", [x], {}, [x]));
}
