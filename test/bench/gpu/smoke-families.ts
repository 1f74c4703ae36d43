/** What smoke.ts runs: programs of a few operations, so that each kernel of a GPU is met by name. */
import {
  add,
  attention,
  cast,
  crossEntropy,
  dropout,
  type ExecutorOptions,
  embedding,
  gelu,
  layerNorm,
  linear,
  matmul,
  multiply,
  type Precision,
  type ProgramBuilder,
  type RunInputs,
  reshape,
  rotary,
  type Value,
} from "../../../src/tensor/index.ts";

export interface Family {
  readonly name: string;
  readonly precision?: Precision;
  readonly options?: ExecutorOptions;
  /** Of the largest value. */
  readonly limit: number;
  /**
   * Of masks that a GPU draws itself: the parameter that the value is linear in, so that its gradient
   * tells whether both passes had the same mask.
   */
  readonly linearIn?: string;
  build(builder: ProgramBuilder): { readonly value: Value; readonly inputs?: RunInputs };
}

const FLOAT = 2e-5;
const LOW = 2e-2;
const [BATCH, LENGTH, HEADS, SIZE] = [2, 40, 4, 32];

/** q, k and v as parameters: all three have gradients. */
function ofThree(
  builder: ProgramBuilder,
  options: Parameters<typeof attention>[3] = {},
  length = LENGTH,
) {
  const [q, k, v] = ["q", "k", "v"].map((name) =>
    builder.parameter(name, [BATCH, length, HEADS, SIZE]),
  ) as [Value, Value, Value]; // proof: of three
  return attention(q, k, v, options);
}

/** The first row is full, the second has padding. */
function masked(builder: ProgramBuilder, length: number) {
  const mask = Uint8Array.from({ length: BATCH * length }, (_, at) => (at < 1.6 * length ? 1 : 0));
  const keyMask = builder.input("mask", "bool", [BATCH, length]);
  return { value: ofThree(builder, { keyMask }, length), inputs: { mask } };
}

/** Sequences of 1 to 14 tokens in each row. */
function packed(builder: ProgramBuilder) {
  const ends = [1, 8, 22, 30, LENGTH];
  const segments = Int32Array.from({ length: BATCH * LENGTH }, (_, at) =>
    ends.findIndex((end) => at % LENGTH < end),
  );
  const ids = builder.input("segments", "int32", [BATCH, LENGTH]);
  return { value: ofThree(builder, { segments: ids }), inputs: { segments } };
}

function product(builder: ProgramBuilder) {
  const [a, b] = [builder.parameter("a", [96, 64]), builder.parameter("b", [64, 80])];
  const bias = builder.parameter("bias", [48]);
  return { value: linear(matmul(a, b), builder.parameter("w", [48, 80]), bias) };
}

function dropped(builder: ProgramBuilder) {
  return { value: ofThree(builder, { dropout: { rate: 0.1, layer: 4 } }) };
}

/** Embeddings to losses. */
function layer(builder: ProgramBuilder, rate: number) {
  const p = (name: string, ...shape: number[]) => builder.parameter(name, shape);
  const ids = builder.input("ids", "int32", [6, 10]);
  const x = dropout(embedding(p("table", 30, 64), ids), rate / 2, 1);
  const h = gelu(linear(layerNorm(x, p("norm", 64), p("shift", 64)), p("w", 64, 64), p("b", 64)));
  const logits = linear(dropout(add(x, h), rate, 2), p("head", 30, 64));
  const labels = builder.input("labels", "int32", [60]);
  const numbers = Int32Array.from({ length: 60 }, (_, at) => (at * 7) % 30);
  const targets = numbers.map((each, at) => (at % 4 === 0 ? -100 : each));
  const loss = crossEntropy(reshape(logits, [60, 30]), labels).sum;
  return { value: loss, inputs: { ids: numbers, labels: targets } };
}

export const FAMILIES: readonly Family[] = [
  {
    name: "copies to the device and back",
    limit: 1e-6,
    build: (builder) => {
      const x = builder.parameter("x", [300, 7]);
      const ids = builder.input("ids", "int32", [300, 7]);
      const factor = Int32Array.from({ length: 2100 }, (_, at) => (at % 4) - 1);
      return { value: multiply(x, cast(ids, "float32")), inputs: { ids: factor } };
    },
  },
  { name: "products in float32 without TF32", limit: FLOAT, build: product },
  { name: "products in bfloat16", precision: "bf16-mixed", limit: LOW, build: product },
  { name: "products in float16, loss scaled", precision: "16-mixed", limit: LOW, build: product },
  { name: "rows, losses, AdamW", limit: FLOAT, build: (builder) => layer(builder, 0) },
  {
    name: "the same in bfloat16",
    precision: "bf16-mixed",
    limit: 5e-2,
    build: (builder) => layer(builder, 0),
  },
  {
    name: "rotary positions",
    limit: FLOAT,
    build: (builder) => ({ value: rotary(builder.parameter("x", [BATCH, LENGTH, HEADS, SIZE])) }),
  },
  {
    name: "flash attention (bfloat16)",
    precision: "bf16-mixed",
    limit: LOW,
    build: (builder) => ({ value: ofThree(builder) }),
  },
  {
    name: "flash attention (float16)",
    precision: "16-mixed",
    limit: LOW,
    build: (builder) => ({ value: ofThree(builder) }),
  },
  {
    name: "efficient attention (float32)",
    limit: FLOAT,
    build: (builder) => ({ value: ofThree(builder) }),
  },
  {
    name: "efficient attention with a mask (float32)",
    limit: FLOAT,
    build: (builder) => masked(builder, LENGTH),
  },
  {
    name: "efficient attention with a mask of 37 keys (bfloat16)",
    precision: "bf16-mixed",
    limit: LOW,
    build: (builder) => masked(builder, 37),
  },
  {
    name: "attention of packed rows (bfloat16)",
    precision: "bf16-mixed",
    limit: LOW,
    build: packed,
  },
  { name: "attention of packed rows (float32)", limit: FLOAT, build: packed },
  {
    name: "dropout drawn by the device",
    limit: FLOAT,
    linearIn: "x",
    build: (builder) => ({ value: dropout(builder.parameter("x", [200, 31]), 0.25, 4) }),
  },
  {
    name: "efficient attention with dropout (float32)",
    limit: FLOAT,
    linearIn: "v",
    build: dropped,
  },
  {
    name: "flash attention with dropout (bfloat16)",
    precision: "bf16-mixed",
    limit: LOW,
    linearIn: "v",
    build: dropped,
  },
  {
    name: "kernels that are the same every time",
    precision: "bf16-mixed",
    options: { deterministic: true },
    limit: LOW,
    build: (builder) => masked(builder, LENGTH),
  },
  {
    name: "dropout with the bits of the CPU",
    options: { deterministic: true },
    limit: FLOAT,
    build: (builder) => layer(builder, 0.2),
  },
];
