/** The cases of fixtures/tensor/ops.json, and the programs that they are about. */
import { readFileSync } from "node:fs";
import {
  type AttentionOptions,
  add,
  addGradients,
  argmax,
  attention,
  broadcast,
  cast,
  concat,
  conv1d,
  crossEntropy,
  divide,
  dropout,
  embedding,
  equal,
  exp,
  gelu,
  type HostArray,
  layerNorm,
  linear,
  log,
  matmul,
  mean,
  multiply,
  type OptimizerSettings,
  type Program,
  ProgramBuilder,
  pad,
  relu,
  reshape,
  rotary,
  type Shape,
  scale,
  slice,
  softmax,
  squaredError,
  subtract,
  sum,
  type TensorDType,
  tanh,
  transpose,
  type Value,
  where,
} from "../../../src/tensor/index.ts";

export interface GoldenTensor {
  readonly dtype: TensorDType;
  readonly shape: Shape;
  readonly data: readonly number[];
}

type Tensors = Readonly<Record<string, GoldenTensor>>;

interface Attributes {
  readonly factor: number;
  readonly approximation: "none" | "tanh";
  readonly axes: readonly number[];
  readonly keepDims: boolean;
  readonly shape: Shape;
  readonly permutation: readonly number[];
  readonly axis: number;
  readonly begin: number;
  readonly end: number;
  readonly before: number;
  readonly after: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly epsilon: number;
  readonly padding: number;
  readonly ignoreIndex: number;
  readonly rate: number;
  readonly layer: number;
  readonly scale?: number;
  readonly dropout?: { readonly rate: number; readonly layer: number };
  readonly seed?: number;
  readonly step?: number;
  readonly microBatch?: number;
}

export interface GoldenCase {
  readonly name: string;
  readonly attributes: Attributes;
  readonly inputs: Tensors;
  readonly output: GoldenTensor;
  readonly probe?: GoldenTensor;
  readonly gradients?: Tensors;
}

export interface Goldens {
  readonly cases: readonly GoldenCase[];
  readonly start: Tensors;
  readonly updates: readonly Tensors[];
  readonly optimizers: readonly {
    readonly settings: OptimizerSettings;
    readonly maxGradientNorm: number | null;
    readonly norms: readonly number[];
    readonly values: Tensors;
  }[];
}

export function readGoldens(): Goldens {
  return JSON.parse(
    readFileSync(new URL("../../../fixtures/tensor/ops.json", import.meta.url), "utf8"),
  );
}

export function hostArray({ dtype, data }: GoldenTensor): HostArray {
  if (dtype === "float32") return Float32Array.from(data);
  return dtype === "int32" ? Int32Array.from(data) : Uint8Array.from(data);
}

type Inputs = Readonly<Record<string, Value>>;
type Build = (inputs: Required<Inputs>, attributes: Attributes) => Value;
const need = (value: Value | undefined): Value => value as Value; // proof: the case has this input

function attend(i: Inputs, a: Attributes): Value {
  const options: AttentionOptions = {
    ...(a.scale === undefined ? {} : { scale: a.scale }),
    ...(a.dropout === undefined ? {} : { dropout: a.dropout }),
    ...(i["keyMask"] === undefined ? {} : { keyMask: i["keyMask"] }),
    ...(i["segments"] === undefined ? {} : { segments: i["segments"] }),
  };
  return attention(need(i["q"]), need(i["k"]), need(i["v"]), options);
}

const BUILD: Readonly<Record<string, Build>> = {
  add: (i) => add(need(i["a"]), need(i["b"])),
  subtract: (i) => subtract(need(i["a"]), need(i["b"])),
  multiply: (i) => multiply(need(i["a"]), need(i["b"])),
  divide: (i) => divide(need(i["a"]), need(i["b"])),
  scale: (i, a) => scale(need(i["a"]), a.factor),
  exp: (i) => exp(need(i["a"])),
  log: (i) => log(need(i["a"])),
  tanh: (i) => tanh(need(i["a"])),
  relu: (i) => relu(need(i["a"])),
  gelu: (i, a) => gelu(need(i["a"]), a.approximation),
  where: (i) => where(need(i["c"]), need(i["a"]), need(i["b"])),
  equal: (i) => equal(need(i["a"]), need(i["b"])),
  castToFloat: (i) => cast(need(i["a"]), "float32"),
  castToBool: (i) => cast(need(i["a"]), "bool"),
  sum: (i, a) => sum(need(i["a"]), a),
  mean: (i, a) => mean(need(i["a"]), a),
  argmax: (i) => argmax(need(i["a"])),
  broadcast: (i, a) => broadcast(need(i["a"]), a.shape),
  reshape: (i, a) => reshape(need(i["a"]), a.shape),
  transpose: (i, a) => transpose(need(i["a"]), a.permutation),
  concat: (i, a) => concat([need(i["a"]), need(i["b"])], a.axis),
  slice: (i, a) => slice(need(i["a"]), a.axis, a.begin, a.end),
  pad: (i, a) => pad(need(i["a"]), a.axis, a.before, a.after),
  matmul: (i, a) => matmul(need(i["a"]), need(i["b"]), a),
  linear: (i) => linear(need(i["x"]), need(i["w"]), i["b"]),
  embedding: (i) => embedding(need(i["table"]), need(i["ids"])),
  layerNorm: (i, a) => layerNorm(need(i["x"]), need(i["w"]), need(i["b"]), a.epsilon),
  conv1d: (i, a) => conv1d(need(i["x"]), need(i["w"]), i["b"], a.padding),
  attention: attend,
  softmax: (i) => softmax(need(i["a"])),
  rotary: (i) =>
    rotary(need(i["x"]), i["positions"] === undefined ? {} : { positions: i["positions"] }),
  crossEntropy: (i, a) =>
    crossEntropy(need(i["logits"]), need(i["labels"]), {
      ...(a.ignoreIndex === undefined ? {} : { ignoreIndex: a.ignoreIndex }),
      ...(i["weights"] === undefined ? {} : { weights: i["weights"] }),
    }).sum,
  squaredError: (i) => squaredError(need(i["a"]), need(i["b"])),
  dropout: (i, a) => dropout(need(i["a"]), a.rate, a.layer),
};

/** The program of a case: floats are parameters, the rest inputs; gradients of sum(output * probe). */
export function goldenProgram(golden: GoldenCase): Program {
  const builder = new ProgramBuilder();
  const inputs: Record<string, Value> = {};
  for (const [name, { dtype, shape }] of Object.entries(golden.inputs)) {
    inputs[name] =
      dtype === "float32" ? builder.parameter(name, shape) : builder.input(name, dtype, shape);
  }
  const output = BUILD[golden.name]?.(inputs, golden.attributes);
  if (output === undefined) throw new Error(`no program for the case ${golden.name}`);
  builder.output("output", output);
  if (golden.probe !== undefined && golden.gradients !== undefined) {
    const { shape, data } = golden.probe;
    const probe = builder.constant("float32", shape, Float32Array.from(data));
    const loss = sum(multiply(output, probe));
    addGradients(builder, loss, { parameters: Object.keys(golden.gradients) });
  }
  return builder.build();
}
