/** Attention, by libtorch's fused kernels where they can, and rotary embedding. */
import type { PlainNode, PlainValue } from "../device/plan.ts";
import type { AttentionAttributes } from "../op-attributes.ts";
import { rotaryTable } from "../rotary-table.ts";
import { fitsKernels } from "./cuda-random.ts";
import { alignedRows, fusedAttention, fusedAttentionBackward } from "./fused-attention.ts";
import {
  type PackedOperands,
  packedAttention,
  packedAttentionBackward,
  packedRanges,
} from "./packed-attention.ts";
import { plainAttention, plainAttentionBackward } from "./plain-attention.ts";
import { type Operands, type Rules, type Run, shapeOf } from "./rule.ts";
import type { Tensor } from "./tensor.ts";

/** Added to scores of keys that a query does not see. */
const HIDDEN = -1e30;
/** float16 has no number of that size. */
const HIDDEN_16 = -65_504;

export const ATTENTION_RULES = {
  attention: (node, inputs, run) => {
    const { attributes } = node;
    const id = node.outputs[0]?.id ?? 0;
    const rate = rateOfKernel(attributes, node.inputs, run);
    const packed = rate === null ? null : packedOf(attributes, node.inputs, inputs, rate, run);
    if (packed !== null) {
      run.seedMask(node.inputs.at(-1)?.id);
      const made = packedAttention(packed, run.torch);
      run.save(id, made.saved);
      return [run.torch.one("reshape", made.out, shapeOf(node.outputs[0]))];
    }
    const [q, k, v] = headsFirst(inputs, run);
    const bias = biasOf(attributes, node.inputs, inputs, run);
    const { scale } = attributes;
    if (rate !== null) {
      run.seedMask(node.inputs.at(-1)?.id);
      const made = fusedAttention({ q, k, v, bias, scale, dropoutRate: rate }, run.torch);
      run.save(id, made.saved);
      return [headsBack(made.out, run)];
    }
    const mask = attributes.dropoutRate === 0 ? null : (inputs[node.inputs.length - 1] as Tensor); // proof: the last input
    const operands = { q, k, v, bias, scale, mask, dropoutRate: attributes.dropoutRate };
    const made = plainAttention(operands, run);
    run.save(id, made.saved);
    return [headsBack(made.out, run)];
  },
  attentionBackward: (node, inputs, run) => {
    const { torch } = run;
    const { attributes } = node;
    const saved = run.saved(node.inputs.at(-1)?.id ?? 0);
    const given = inputs.slice(1) as unknown as Operands; // proof: the attention's inputs follow
    const values = node.inputs.slice(1, -1);
    const rate = rateOfKernel(attributes, values, run);
    const packed = rate === null ? null : packedOf(attributes, values, given, rate, run);
    if (packed !== null) {
      const slope = tokens(inputs[0], node.inputs[0], run);
      const made = packedAttentionBackward(slope, packed, saved, torch);
      return made.map((x, at) => torch.one("reshape", x, shapeOf(node.outputs[at])));
    }
    const [q, k, v] = headsFirst(given, run);
    const slope = run.low(torch.one("transpose", inputs[0], 1, 2));
    const bias = biasOf(attributes, values, given, run);
    const { scale } = attributes;
    if (rate !== null) {
      const operands = { q, k, v, bias, scale, dropoutRate: rate };
      const made = fusedAttentionBackward(slope, operands, saved, torch);
      return made.map((gradient) => headsBack(gradient, run));
    }
    const mask = attributes.dropoutRate === 0 ? null : (given[values.length - 1] as Tensor); // proof: the last input
    const operands = { q, k, v, bias, scale, mask, dropoutRate: attributes.dropoutRate };
    const made = plainAttentionBackward(slope, operands, saved, run);
    return made.map((gradient) => headsBack(gradient, run));
  },
  rotary: (node, [x, positions], run) => {
    const { torch } = run;
    const [cos, sin] = tablesFor(node, node.inputs.length > 1 ? positions : undefined, x, run);
    // Halves changed places: the sign of the first is in the table.
    const turned = torch.one("roll", x, [(shapeOf(node.inputs[0])[3] ?? 0) / 2], [3]);
    return [torch.add(torch.one("mul", x, cos), torch.one("mul", turned, sin))];
  },
} satisfies Partial<Rules>;

/**
 * The rate at which the kernels drop probabilities themselves, mostly 0. Null where they cannot do it:
 * where a mask was computed, or the heads of a GPU are no multiple of 4.
 */
function rateOfKernel(
  { dropoutRate }: AttentionAttributes,
  values: readonly PlainValue[],
  run: Run,
): number | null {
  if (dropoutRate > 0) return run.isDrawn(values.at(-1)?.id) ? dropoutRate : null;
  return run.torch.isCuda && !fitsKernels(values[0]) ? null : 0;
}

/**
 * Attention of packed rows whose segments came with the run, in a row each: they can be looked at
 * without waiting for the device. Null where it takes scores of all tokens with all.
 */
function packedOf(
  { keyMask, segments, scale }: AttentionAttributes,
  values: readonly PlainValue[],
  inputs: Operands,
  dropoutRate: number,
  run: Run,
): PackedOperands | null {
  const { torch } = run;
  const [own, theirs] = [values[3], values[4]];
  if (!segments || keyMask || own?.id !== theirs?.id) return null;
  const ranges = run.fact(`ranges of ${own?.id}`, () => {
    const given = run.inputs.get(own?.id ?? -1);
    return given === undefined ? null : packedRanges(given, shapeOf(own)[1] ?? 1);
  });
  if (ranges === null) return null;
  const [q, k, v] = [0, 1, 2].map((at) => tokens(inputs[at] as Tensor, values[at], run)) as [
    ...[Tensor, Tensor, Tensor], // proof: of three come three
  ];
  const bounds = () =>
    run.shared(`bounds of ${own?.id}`, () => {
      const ends = Int32Array.from([0, ...ranges.map(({ end }) => end)]);
      return torch.stage(ends, [ends.length]);
    });
  return { q, k, v, ranges, bounds, scale, dropoutRate };
}

/** [batch, length, heads, size] as [tokens, heads, size], in the dtype of products. */
function tokens(x: Tensor, value: PlainValue | undefined, run: Run): Tensor {
  return run.torch.one("reshape", run.low(x), [-1, ...shapeOf(value).slice(2)]);
}

/** q, k, v as [batch, heads, length, size]; views. */
function headsFirst(inputs: Operands, run: Run): [Tensor, Tensor, Tensor] {
  const [q, k, v] = inputs;
  const view = (x: Tensor) => run.torch.one("transpose", run.low(x), 1, 2);
  return [view(q), view(k), view(v)];
}

function headsBack(x: Tensor, run: Run): Tensor {
  return run.torch.one("transpose", x, 1, 2);
}

/** Whether a mask that came with the run hides nothing. */
function isFull(id: number | undefined, run: Run): boolean {
  return run.fact(
    `${id} is full`,
    () => run.inputs.get(id ?? -1)?.every((seen) => seen !== 0) === true,
  );
}

/** What is added to scores, or null: [batch, 1, 1 or length, keys], in the dtype of products. */
function biasOf(
  { keyMask, segments }: AttentionAttributes,
  values: readonly PlainValue[],
  inputs: Operands,
  run: Run,
): Tensor | null {
  const at = 3;
  const ids = values.slice(at, at + (keyMask ? 1 : 0) + (segments ? 2 : 0)).map(({ id }) => id);
  if (ids.length === 0) return null;
  if (!segments && isFull(ids[0], run)) return null;
  return run.shared(`attention bias ${ids}`, () => {
    const { torch } = run;
    const dtype = run.lowDType ?? torch.dtypes.float32;
    const hidden = torch.full([], dtype === torch.dtypes.float16 ? HIDDEN_16 : HIDDEN, dtype);
    const zero = torch.full([], 0, dtype);
    const reshaped = (x: Tensor, shape: readonly number[]) => torch.one("reshape", x, shape);
    const [batch = 1, keys = 1] = shapeOf(values[1]);
    const parts: Tensor[] = [];
    if (keyMask) {
      const seen = reshaped(inputs[at] as Tensor, [batch, 1, 1, keys]); // proof: the flag says so
      parts.push(torch.one("where", seen, zero, hidden));
    }
    if (segments) {
      const own = inputs[at + ids.length - 2] as Tensor; // proof: the flag says so
      const theirs = inputs[at + ids.length - 1] as Tensor; // proof: the flag says so
      const query = reshaped(own, [batch, 1, shapeOf(values[0])[1] ?? 1, 1]);
      const same = torch.one("eq", query, reshaped(theirs, [batch, 1, 1, keys]));
      parts.push(torch.one("where", same, zero, hidden));
    }
    const [one, other] = parts as [Tensor, Tensor | undefined]; // proof: one of the flags is set
    const bias = other === undefined ? one : torch.one("minimum", one, other);
    return torch.isCuda ? alignedRows(bias, keys, torch) : bias;
  });
}

/** cos and sin, twice beside each other, [1 or batch, length, 1, size], in the dtype of `x`. */
function tablesFor(
  node: PlainNode<"rotary">,
  positions: Tensor | undefined,
  x: Tensor,
  run: Run,
): readonly [Tensor, Tensor] {
  const { torch } = run;
  const [batch = 1, length = 1, , size = 1] = shapeOf(node.inputs[0]);
  const { base, inverse } = node.attributes;
  const dtype = run.lowDType === null ? torch.dtypes.float32 : torch.dtypeOf(x);
  const rows = positions === undefined ? "" : ` at ${node.inputs[1]?.id}`;
  const table = (name: "cos" | "sin") =>
    run.shared(`${name} ${length} ${size} ${base} ${inverse} ${dtype}${rows}`, () => {
      const sign = name === "sin" && inverse ? -1 : 1;
      const made = run.lastingTable(`${name} ${size} ${base} ${sign}`, length, (rows) =>
        torch.upload(rotaryTable(name, rows, size, base, sign), [rows, size]),
      );
      const taken =
        positions === undefined
          ? torch.one("slice", made, 0, 0, length)
          : torch.one("embedding", made, positions);
      const shape = [positions === undefined ? 1 : batch, length, 1, size];
      return torch.cast(torch.one("reshape", taken, shape), dtype);
    });
  return [table("cos"), table("sin")];
}
