/** The rows of the part `correctness`: figures of both sides with the limits that they have to keep. */
export const CORRECTNESS_LIMITS = { first: 1e-5, each: 1e-3, gradients: 1e-3, bfloat16: 2e-2 };

export interface CorrectnessRow {
  readonly check: string;
  /** "not measured" where a side has no figure. */
  readonly result: "pass" | "fail" | "not measured";
  readonly limit: number;
  readonly worst?: number;
  readonly of?: unknown;
}

type Printed = Readonly<Record<string, unknown>>;

export function correctnessRows(ours: Printed, theirs: Printed): readonly CorrectnessRow[] {
  const { first, each, gradients, bfloat16 } = CORRECTNESS_LIMITS;
  const float = apart(ours["losses"], theirs["losses"]);
  const low = apart(ours["bfloat16"], theirs["losses"]);
  const lowBoth = apart(ours["bfloat16"], theirs["bfloat16"]);
  const theirLow = apart(theirs["bfloat16"], theirs["losses"]);
  // gpu_correct.py compares these itself: they are large.
  const compared = theirs["gradients"] as { worst: number; of: string } | undefined;
  return [
    row("loss of step 1, float32", float.slice(0, 1), first),
    row(`losses of ${float.length} steps, float32`, float, each),
    {
      ...row("gradients of each parameter, float32", compared ? [compared.worst] : [], gradients),
      ...(compared === undefined
        ? {}
        : { of: Object.fromEntries(Object.entries(compared).slice(1)) }),
    },
    row("losses in bfloat16 against PyTorch in bfloat16", lowBoth, bfloat16),
    row("losses in bfloat16 against PyTorch in float32", low, bfloat16),
    row("for comparison: PyTorch in bfloat16 against itself in float32", theirLow, bfloat16),
  ];
}

function row(check: string, errors: readonly number[], limit: number): CorrectnessRow {
  if (errors.length === 0) return { check, result: "not measured", limit };
  const worst = errors.reduce((top, value) => Math.max(top, value), 0);
  const at = errors.findIndex((error) => Object.is(error, worst)) + 1;
  const result = errors.every((error) => error <= limit) ? "pass" : "fail";
  return { check, result, limit, worst, ...(errors.length > 1 ? { of: `step ${at}` } : {}) };
}

/** Relative differences, step by step. */
function apart(ours: unknown, theirs: unknown): readonly number[] {
  if (!Array.isArray(ours) || !Array.isArray(theirs)) return [];
  if (ours.length !== theirs.length) return [Number.NaN];
  return ours.map((loss, at) => Math.abs(Number(loss) / Number(theirs[at]) - 1));
}
