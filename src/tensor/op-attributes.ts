import type { Shape, TensorDType } from "./program.ts";

type None = Readonly<Record<never, never>>;

export type GeluApproximation = "none" | "tanh";

/**
 * The op set: the attributes of every operation, with its inputs and outputs.
 *
 * `f` is float32, `i` int32, `b` bool. `...` stands for leading dimensions. Executors implement
 * every one of them (`test/src/tensor/executor.suite.ts` is the contract); users call the functions
 * of `ops/`, which check shapes. Operations named `...Backward` are appended by `addGradients`;
 * their input that is an output of the forward operation lets an executor find what it has kept.
 */
export interface OpAttributes {
  /** a f, b f -> f; numpy broadcasting. */
  add: None;
  subtract: None;
  multiply: None;
  divide: None;
  /** x f -> x * factor */
  scale: { readonly factor: number };
  /** x f -> f */
  exp: None;
  log: None;
  tanh: None;
  relu: None;
  /** gradient, y = relu(x) -> gradient where y > 0 */
  reluBackward: None;
  /** x f -> f; "none" is exact (erf), "tanh" the approximation. */
  gelu: { readonly approximation: GeluApproximation };
  /** gradient, x -> f */
  geluBackward: { readonly approximation: GeluApproximation };
  /** x f -> f, over the last axis */
  softmax: None;
  /** gradient, y = softmax(x) -> f */
  softmaxBackward: None;
  /** a i, b i -> b; numpy broadcasting. */
  equal: None;
  /** condition b, a f, b f -> f; numpy broadcasting of all three. */
  where: None;
  /** x -> the same values in another dtype; float32 to int32 truncates, to bool is `!= 0`. */
  cast: { readonly dtype: TensorDType };
  /** x f -> f; `axes` ascending; with `keepDims` they stay with size 1. */
  sum: { readonly axes: readonly number[]; readonly keepDims: boolean };
  /** x f -> i: index of the first largest value of the last axis, which is dropped */
  argmax: None;
  /** x f -> f of `shape`, to which x broadcasts */
  broadcast: { readonly shape: Shape };
  reshape: { readonly shape: Shape };
  /** Axis `k` of the output is axis `permutation[k]` of the input. */
  transpose: { readonly permutation: readonly number[] };
  /** any number of f -> f */
  concat: { readonly axis: number };
  /** x f -> `[begin, end)` of one axis */
  slice: { readonly axis: number; readonly begin: number; readonly end: number };
  /** x f -> f with zeros before and after on one axis */
  pad: { readonly axis: number; readonly before: number; readonly after: number };
  /** a f[...,m,k], b f[...,k,n] -> f[...,m,n] times `factor`; transposes swap the last two axes. */
  matmul: {
    readonly transposeA: boolean;
    readonly transposeB: boolean;
    readonly factor: number;
  };
  /** x f[...,in], w f[out,in], (b f[out]) -> f[...,out] */
  linear: None;
  /** table f[rows,d], ids i[...] -> f[...,d] */
  embedding: None;
  /** gradient f[...,d], ids i[...] -> f[rows,d]: rows of equal id are summed */
  embeddingBackward: { readonly rows: number };
  /** x f[...,d], w f[d], b f[d] -> f[...,d] */
  layerNorm: { readonly epsilon: number };
  /** gradient, x, w, y = layerNorm(x, w, b) -> dx, dw, db */
  layerNormBackward: { readonly epsilon: number };
  /**
   * q, k, v f[batch,length,heads,size], then those that the flags name: keyMask b[batch,keys],
   * querySegments i[batch,length] and keySegments i[batch,keys], dropoutMask
   * b[batch,heads,length,keys] -> f[batch,length,heads,size]
   */
  attention: AttentionAttributes;
  /** gradient, then all inputs of the attention, then its output -> dq, dk, dv */
  attentionBackward: AttentionAttributes;
  /**
   * x f[batch,length,heads,size], (positions i[batch,length], else 0, 1, ...) -> f. Halves, not
   * interleaved: pair (j, j + size/2) turns by position * base^(-2j/size), by minus that when `inverse`.
   */
  rotary: { readonly base: number; readonly inverse: boolean };
  /** -> b: kept positions; bits by `dropout-bits.ts` of (seed, step, microBatch, layer) */
  dropoutMask: { readonly rate: number; readonly layer: number; readonly shape: Shape };
  /** x f, mask b -> x * mask / (1 - rate) */
  dropout: { readonly rate: number };
  /**
   * logits f[n,classes], labels i[n], (weights f[n]) -> sum f[] of weighted negative log
   * likelihoods, count f[] of the weights; labels equal to `ignoreIndex` have weight 0
   */
  crossEntropy: { readonly ignoreIndex: number };
  /** gradient f[] of the sum, logits, labels, (weights), sum -> f[n,classes] */
  crossEntropyBackward: { readonly ignoreIndex: number };
}

export interface AttentionAttributes {
  /** Factor of the scores before the softmax. */
  readonly scale: number;
  /** Which optional inputs follow q, k and v, in this order. */
  readonly keyMask: boolean;
  readonly segments: boolean;
  /** Rate of the dropout of probabilities; 0 without dropoutMask. */
  readonly dropoutRate: number;
}

export type OpName = keyof OpAttributes;
