import {
  cast,
  divide,
  equal,
  matmul,
  multiply,
  type ProgramBuilder,
  pad,
  reshape,
  slice,
  sum,
  type Value,
  where,
} from "../tensor/index.ts";

/**
 * The mean of hidden states [batch, length, hidden] over residues: all tokens but the first and the
 * last of each row, whatever they are, as BioNeMo takes it. [batch, hidden]; zeros for a row without.
 *
 * @param keyMask bool [batch, length]: tokens first, then padding
 */
export function meanOfResidues(builder: ProgramBuilder, hidden: Value, keyMask: Value): Value {
  return weightedMean(builder, hidden, residueWeights(builder, keyMask));
}

/** The mean of hidden states over all tokens of each row; see {@link meanOfResidues}. */
export function meanOfTokens(builder: ProgramBuilder, hidden: Value, keyMask: Value): Value {
  return weightedMean(builder, hidden, cast(keyMask, "float32"));
}

function weightedMean(builder: ProgramBuilder, hidden: Value, weights: Value): Value {
  const [batch = 1, length = 1, width = 1] = hidden.shape;
  const totals = matmul(reshape(weights, [batch, 1, length]), hidden);
  const counts = sum(weights, { axes: [1], keepDims: true });
  return divide(reshape(totals, [batch, width]), orOne(builder, counts));
}

/** float32 [batch, length]: 1 at tokens that have a token before and behind them. */
function residueWeights(builder: ProgramBuilder, keyMask: Value): Value {
  const [, length = 1] = keyMask.shape;
  const tokens = cast(keyMask, "float32");
  if (length === 1) return multiply(tokens, builder.scalar(0));
  const behind = pad(slice(tokens, 1, 1, length), 1, 0, 1);
  const first = Float32Array.from({ length }, (_, at) => (at === 0 ? 0 : 1));
  return multiply(behind, builder.constant("float32", [1, length], first));
}

/** The counts, 1 in place of 0. */
export function orOne(builder: ProgramBuilder, counts: Value): Value {
  const zero = builder.constant("int32", [], Int32Array.of(0));
  return where(equal(cast(counts, "int32"), zero), builder.scalar(1), counts);
}
