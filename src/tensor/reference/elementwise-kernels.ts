import { fillDropoutMask } from "../dropout-bits.ts";
import type { ProgramNode } from "../program.ts";
import { elementCount } from "../program.ts";
import {
  type Buffer64,
  broadcastOffsets,
  type Floats,
  type Kernels,
  newBuffer,
  type Operands64,
} from "./buffers.ts";
import { erf } from "./erf.ts";

function binary(compute: (a: number, b: number) => number) {
  return (node: ProgramNode, [a, b]: Operands64): readonly Buffer64[] => {
    const [x, y] = node.inputs;
    const [out] = node.outputs;
    if (x === undefined || y === undefined || out === undefined) return [];
    const atX = broadcastOffsets(x.shape, out.shape);
    const atY = broadcastOffsets(y.shape, out.shape);
    const result = newBuffer(out);
    for (let i = 0; i < result.length; i++) {
      result[i] = compute(a[atX[i] ?? 0] ?? 0, b[atY[i] ?? 0] ?? 0);
    }
    return [result];
  };
}

function map(x: Floats, compute: (value: number, at: number) => number): readonly Buffer64[] {
  return [Float64Array.from(x, compute)];
}

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

function geluTanhInner(x: number): number {
  return Math.tanh(SQRT_2_OVER_PI * (x + 0.044_715 * x ** 3));
}

function geluSlope(x: number, approximation: "none" | "tanh"): number {
  if (approximation === "none") {
    const density = Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
    return 0.5 * (1 + erf(x * Math.SQRT1_2)) + x * density;
  }
  const t = geluTanhInner(x);
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SQRT_2_OVER_PI * (1 + 3 * 0.044_715 * x * x);
}

export const ELEMENTWISE_KERNELS = {
  add: binary((a, b) => a + b),
  subtract: binary((a, b) => a - b),
  multiply: binary((a, b) => a * b),
  divide: binary((a, b) => a / b),
  equal: binary((a, b) => (a === b ? 1 : 0)),
  scale: ({ attributes }, [x]) => map(x, (v) => v * attributes.factor),
  exp: (_, [x]) => map(x, Math.exp),
  log: (_, [x]) => map(x, Math.log),
  tanh: (_, [x]) => map(x, Math.tanh),
  relu: (_, [x]) => map(x, (v) => Math.max(v, 0)),
  reluBackward: (_, [gradient, y]) => map(gradient, (g, i) => ((y[i] ?? 0) > 0 ? g : 0)),
  gelu: ({ attributes }, [x]) =>
    attributes.approximation === "none"
      ? map(x, (v) => 0.5 * v * (1 + erf(v * Math.SQRT1_2)))
      : map(x, (v) => 0.5 * v * (1 + geluTanhInner(v))),
  geluBackward: ({ attributes }, [gradient, x]) =>
    map(gradient, (g, i) => g * geluSlope(x[i] ?? 0, attributes.approximation)),
  where: (node, [condition, a, b]) => {
    const [atC, atA, atB] = node.inputs.map(({ shape }) =>
      broadcastOffsets(shape, node.outputs[0]?.shape ?? []),
    );
    const result = new Float64Array(atC?.length ?? 0);
    for (let i = 0; i < result.length; i++) {
      const holds = condition[atC?.[i] ?? 0] !== 0;
      result[i] = (holds ? a[atA?.[i] ?? 0] : b[atB?.[i] ?? 0]) ?? 0;
    }
    return [result];
  },
  cast: ({ attributes }, [x]) => {
    if (attributes.dtype === "float32") return [Float64Array.from(x)];
    if (attributes.dtype === "int32") return [Int32Array.from(x, Math.trunc)];
    return [Uint8Array.from(x, (v) => (v !== 0 ? 1 : 0))];
  },
  dropoutMask: ({ attributes }, _, key) => {
    const mask = new Uint8Array(elementCount(attributes.shape));
    fillDropoutMask(mask, attributes.rate, { ...key, layer: attributes.layer });
    return [mask];
  },
  dropout: ({ attributes }, [x, mask]) =>
    map(x, (v, i) => (mask[i] === 0 ? 0 : v / (1 - attributes.rate))),
} satisfies Partial<Kernels>;
