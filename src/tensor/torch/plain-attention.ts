import type { AttentionOperands, FusedAttention } from "./fused-attention.ts";
import type { Run } from "./rule.ts";
import type { Tensor } from "./tensor.ts";

export interface PlainOperands extends AttentionOperands {
  /** bool [batch, heads, length, keys]: probabilities that are kept; null where all are. */
  readonly mask: Tensor | null;
}

/**
 * Attention with all scores in memory, [batch, heads, length, keys], where no fused kernel can do it:
 * a mask was computed for its probabilities, or a GPU's kernels do not take the size of its heads.
 */
export function plainAttention(operands: PlainOperands, run: Run): FusedAttention {
  const { q, k, v, bias, scale } = operands;
  const { torch } = run;
  const products = torch.one("matmul", q, torch.one("transpose", k, -2, -1));
  const scores = torch.one("mul", run.high(products), torch.number(scale));
  const seen = bias === null ? scores : torch.add(scores, bias);
  const probability = torch.one("softmax", seen, -1, false);
  const weights = run.low(dropped(probability, operands, run));
  return { out: torch.one("matmul", weights, v), saved: [probability] };
}

/** Gradients of q, k and v. */
export function plainAttentionBackward(
  gradient: Tensor,
  operands: PlainOperands,
  saved: readonly Tensor[],
  run: Run,
): readonly Tensor[] {
  const { q, k, v, scale } = operands;
  const { torch } = run;
  const [probability] = saved as [Tensor]; // proof: saved by plainAttention
  const weights = run.low(dropped(probability, operands, run));
  const dv = torch.one("matmul", torch.one("transpose", weights, -2, -1), gradient);
  const dw = torch.one("matmul", gradient, torch.one("transpose", v, -2, -1));
  const dp = dropped(run.high(dw), operands, run);
  const ds = torch.one("softmaxBackward", dp, probability, -1, torch.dtypes.float32);
  const scaled = run.low(torch.one("mul", ds, torch.number(scale)));
  const dq = torch.one("matmul", scaled, k);
  const dk = torch.one("matmul", torch.one("transpose", scaled, -2, -1), q);
  return [dq, dk, dv];
}

function dropped(x: Tensor, { mask, dropoutRate }: PlainOperands, { torch }: Run): Tensor {
  return mask === null ? x : torch.one("dropoutBackward", x, mask, 1 / (1 - dropoutRate));
}
