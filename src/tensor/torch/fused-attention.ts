import type { Libtorch } from "./libtorch.ts";
import type { Tensor } from "./tensor.ts";

/** Heads before positions: [batch, heads, length, size]; `bias` is added to the scores. */
export interface AttentionOperands {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  /** On CUDA its rows are aligned: {@link alignedRows}. */
  readonly bias: Tensor | null;
  readonly scale: number;
  /** Of probabilities that the kernel drops, on CUDA alone; 0 otherwise. */
  readonly dropoutRate: number;
}

/** The output, and what {@link fusedAttentionBackward} wants to see again. */
export interface FusedAttention {
  readonly out: Tensor;
  readonly saved: readonly Tensor[];
}

/**
 * Attention in one kernel. On CUDA float16 and bfloat16 without a bias take the flash kernel, all else
 * the memory-efficient one.
 */
export function fusedAttention(operands: AttentionOperands, torch: Libtorch): FusedAttention {
  const { q, k, v, bias, scale, dropoutRate: rate } = operands;
  if (!torch.isCuda) {
    const made = torch.many("attentionOnCpu", q, k, v, 0, false, bias, scale);
    const [out] = made as [Tensor]; // proof: the schema returns it
    return { out, saved: made };
  }
  if (bias === null && takesFlash(q, torch)) {
    const made = torch.results("flashAttention", q, k, v, rate, false, false, scale);
    const [out] = made as [Tensor]; // proof: the schema returns it
    // Largest lengths are whole numbers among the results: they are those of q and k.
    const saved = [0, 1, 2, 3, 6, 7].map((at) => made[at] as Tensor); // proof: the schema's tensors
    return { out, saved };
  }
  const wide = bias === null ? null : wideBias(operands, bias, torch);
  const made = torch.many("efficientAttention", q, k, v, wide, true, rate, false, scale);
  const [out] = made as [Tensor]; // proof: the schema returns it
  return { out, saved: made };
}

/** Gradients of q, k and v. */
export function fusedAttentionBackward(
  gradient: Tensor,
  operands: AttentionOperands,
  saved: readonly Tensor[],
  torch: Libtorch,
): readonly Tensor[] {
  const { q, k, v, bias, scale, dropoutRate: rate } = operands;
  if (!torch.isCuda) {
    const [out, logs] = saved as [Tensor, Tensor]; // proof: saved by fusedAttention
    const given = [gradient, q, k, v, out, logs, 0, false, bias, scale] as const;
    return torch.many("attentionOnCpuBackward", ...given);
  }
  if (bias === null && takesFlash(q, torch)) {
    const [out, logs, rowsQ, rowsK, seed, offset] = saved as Six; // proof: saved by fusedAttention
    const [length, keys] = [torch.sizeOf(q, 2), torch.sizeOf(k, 2)];
    const given = [gradient, q, k, v, out, logs, rowsQ, rowsK, length, keys] as const;
    return torch.many("flashAttentionBackward", ...given, rate, false, seed, offset, scale);
  }
  const [out, logs, seed, offset] = saved as [Tensor, Tensor, Tensor, Tensor]; // proof: as above
  const wide = bias === null ? torch.undefinedTensor() : wideBias(operands, bias, torch);
  const given = [gradient, q, k, v, wide, out, logs, seed, offset] as const;
  const wanted = [true, true, true, false];
  return torch.many("efficientAttentionBackward", ...given, rate, wanted, false, scale).slice(0, 3);
}

type Six = [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];

/** Whether the flash kernel takes heads like these, [..., size]. */
export function takesFlash(q: Tensor, torch: Libtorch): boolean {
  const isLow = torch.dtypeOf(q) !== torch.dtypes.float32;
  return torch.hasFlash && isLow && torch.sizeOf(q, -1) % 8 === 0;
}

/** The bias for every head and query. */
function wideBias({ q, k }: AttentionOperands, bias: Tensor, torch: Libtorch): Tensor {
  const [batch, heads, length] = [0, 1, 2].map((axis) => torch.sizeOf(q, axis));
  return torch.one("expand", bias, [batch ?? 1, heads ?? 1, length ?? 1, torch.sizeOf(k, 2)]);
}

/** A bias [..., keys] whose rows begin at multiples of 16 elements, as the kernels of CUDA want. */
export function alignedRows(bias: Tensor, keys: number, torch: Libtorch): Tensor {
  const rest = keys % 16 === 0 ? 0 : 16 - (keys % 16);
  return rest === 0 ? bias : torch.one("slice", torch.pad(bias, [0, rest]), 3, 0, keys);
}
