import { takesFlash } from "./fused-attention.ts";
import type { Libtorch } from "./libtorch.ts";
import type { Tensor } from "./tensor.ts";

/** Tokens of one sequence, counted over all rows. */
export interface PackedRange {
  readonly begin: number;
  readonly end: number;
}

/**
 * The sequences of packed rows, or null where a number comes again in a row after another: such
 * segments are no ranges.
 */
export function packedRanges(
  segments: ArrayLike<number>,
  length: number,
): readonly PackedRange[] | null {
  const ranges: PackedRange[] = [];
  for (let row = 0; row < segments.length; row += length) {
    const seen = new Set<number | undefined>();
    let begin = row;
    for (let at = row + 1; at <= row + length; at++) {
      if (at < row + length && segments[at] === segments[begin]) continue;
      if (seen.has(segments[begin])) return null;
      seen.add(segments[begin]);
      ranges.push({ begin, end: at });
      begin = at;
    }
  }
  return ranges;
}

/** q, k, v as [tokens, heads, size], and which tokens see each other. */
export interface PackedOperands {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly ranges: readonly PackedRange[];
  /** int32 [ranges + 1]: where they begin and the last one ends; on the device. */
  readonly bounds: () => Tensor;
  readonly scale: number;
  /** Of probabilities that the kernel drops, on CUDA alone; 0 otherwise. */
  readonly dropoutRate: number;
}

/** [tokens, heads, size], and what {@link packedAttentionBackward} wants to see again. */
export interface PackedAttention {
  readonly out: Tensor;
  readonly saved: readonly Tensor[];
}

/**
 * Attention within sequences only: time and memory grow with their own lengths, not with that of the
 * row. On CUDA one kernel for all; on the CPU one call for each.
 */
export function packedAttention(operands: PackedOperands, torch: Libtorch): PackedAttention {
  const { q, k, v, ranges, scale } = operands;
  if (torch.isCuda) return inOneKernel(operands, torch);
  const parts = ranges.map((range) => {
    const [a, b, c] = [q, k, v].map((x) => sequence(x, range, torch)) as Three; // proof: of three
    const made = torch.many("attentionOnCpu", a, b, c, 0, false, null, scale);
    const [out, logs] = made as [Tensor, Tensor]; // proof: the schema returns them
    return { out: tokensFirst(out, torch), logs };
  });
  const out = torch.one(
    "cat",
    parts.map((part) => part.out),
    0,
  );
  return { out, saved: [out, ...parts.map(({ logs }) => logs)] };
}

/** Gradients of q, k and v as [tokens, heads, size]. */
export function packedAttentionBackward(
  gradient: Tensor,
  operands: PackedOperands,
  saved: readonly Tensor[],
  torch: Libtorch,
): readonly Tensor[] {
  const { q, k, v, ranges, scale } = operands;
  if (torch.isCuda) return inOneKernelBackward(gradient, operands, saved, torch);
  const [out, ...logs] = saved as [Tensor, ...Tensor[]]; // proof: as saved
  const parts = ranges.map((range, at) => {
    const views = [gradient, q, k, v, out].map((x) => sequence(x, range, torch));
    const [slope, a, b, c, o] = views as [...Three, Tensor, Tensor]; // proof: of five
    const given = [slope, a, b, c, o, logs[at] as Tensor, 0, false, null, scale] as const; // proof: one each
    const made = torch.many("attentionOnCpuBackward", ...given);
    return made.map((x) => tokensFirst(x, torch));
  });
  return [0, 1, 2].map(
    (which) =>
      torch.one(
        "cat",
        parts.map((part) => part[which] as Tensor),
        0,
      ), // proof: the schema returns three
  );
}

/** The flash kernel for float16 and bfloat16, the memory-efficient one for the others. */
function inOneKernel(operands: PackedOperands, torch: Libtorch): PackedAttention {
  const { q, k, v, ranges, scale, dropoutRate: rate } = operands;
  const [bounds, longest] = [operands.bounds(), longestOf(ranges)];
  if (takesFlash(q, torch)) {
    const given = [q, k, v, bounds, bounds, longest, longest, rate, false, false, scale] as const;
    const made = torch.many("variableAttention", ...given);
    const [out] = made as [Tensor]; // proof: the schema returns it
    return { out, saved: made.slice(0, 4) };
  }
  const [a, b, c] = [q, k, v].map((x) => torch.one("unsqueeze", x, 0)) as Three; // proof: of three
  const given = [a, b, c, null, bounds, bounds, longest, longest, rate, NO_MASK, true] as const;
  const made = torch.many("variableEfficientAttention", ...given, scale);
  const [out] = made as [Tensor]; // proof: the schema returns it
  return { out: torch.one("squeeze", out, 0), saved: made.slice(0, 4) };
}

function inOneKernelBackward(
  gradient: Tensor,
  operands: PackedOperands,
  saved: readonly Tensor[],
  torch: Libtorch,
): readonly Tensor[] {
  const { q, k, v, ranges, scale, dropoutRate: rate } = operands;
  const [bounds, longest] = [operands.bounds(), longestOf(ranges)];
  const [out, logs, seed, offset] = saved as [Tensor, Tensor, Tensor, Tensor]; // proof: as saved
  if (takesFlash(q, torch)) {
    const given = [gradient, q, k, v, out, logs, bounds, bounds, longest, longest] as const;
    return torch.many("variableAttentionBackward", ...given, rate, false, seed, offset, scale);
  }
  const rows = [gradient, q, k, v].map((x) => torch.one("unsqueeze", x, 0));
  const [slope, a, b, c] = rows as [Tensor, ...Three]; // proof: of four
  const made = torch.many(
    "variableEfficientAttentionBackward",
    ...([slope, a, b, c, null, out, bounds, bounds, longest, longest, logs] as const),
    ...([rate, seed, offset, NO_MASK, false, scale] as const),
  );
  return made.slice(0, 3).map((x) => torch.one("squeeze", x, 0));
}

/** Of the memory-efficient kernel's kinds of masks. */
const NO_MASK = 0;

type Three = [Tensor, Tensor, Tensor];

/** Tokens of a sequence as [1, heads, length, size]; a view. */
function sequence(x: Tensor, { begin, end }: PackedRange, torch: Libtorch): Tensor {
  const tokens = torch.one("slice", x, 0, begin, end);
  return torch.one("unsqueeze", torch.one("transpose", tokens, 0, 1), 0);
}

/** Back from [1, heads, length, size] to [length, heads, size]. */
function tokensFirst(x: Tensor, torch: Libtorch): Tensor {
  return torch.one("transpose", torch.one("squeeze", x, 0), 0, 1);
}

function longestOf(ranges: readonly PackedRange[]): number {
  return ranges.reduce((longest, { begin, end }) => Math.max(longest, end - begin), 0);
}
