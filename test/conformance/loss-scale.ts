/**
 * Steps in float16 whose gradients are too large at first, and again once the factor on the loss has
 * grown: the factors, which updates are left out, and weights as torch.amp.GradScaler and AdamW have them.
 */
import { fileURLToPath } from "node:url";
import {
  addGradients,
  crossEntropy,
  divide,
  type Executor,
  linear,
  type Program,
  ProgramBuilder,
  relu,
} from "../../src/tensor/index.ts";
import { askOnce } from "./ask-once.ts";
import { testedExecutors } from "./executors.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./loss_scale_original.py", import.meta.url));
const ROWS = 8;
const WIDTH = 6;
const SHAPES = { a: [10, WIDTH], b: [10], c: [3, 10] } as const;
const STEPS = 24;
const RUN = { scale: 2 ** 26, rate: 0.01, clip: 0.5, steps: STEPS, rows: ROWS } as const;
/** Before this step the factor is told that it was good for so long. */
const GROWN = { grownBefore: 14, goodUpdates: 1997 } as const;
/** Of a weight's distance, against that of the farthest. */
const LIMIT = 1e-3;

interface Outcome {
  readonly scales: readonly number[];
  readonly skipped: readonly boolean[];
  readonly losses: readonly number[];
  readonly factor: number;
  readonly goodUpdates: number;
  readonly weights: Readonly<Record<string, readonly number[]>>;
}

export async function checkLossScale(tally: Tally, python: string): Promise<void> {
  const weights = Object.fromEntries(
    Object.entries(SHAPES).map(([name, [rows, columns = 1]], at) => {
      return [name, numbers(rows * columns, at + 1)];
    }),
  );
  const x = numbers(ROWS * WIDTH, 9);
  const labels = Array.from({ length: ROWS }, (_, row) => row % 3);
  const given = { ...RUN, ...GROWN, weights, shapes: SHAPES, x, labels };
  // proof: loss_scale_original.py
  const theirs = askOnce(python, DRIVER, given) as Promise<Outcome>;
  for (const { name, isUsual, open } of testedExecutors(python)) {
    if (isUsual) continue;
    await tally.check(`float16: GradScaler's factors and skipped steps, ${name}`, async () => {
      await using executor = await open({ precision: "16-mixed" });
      return compared(await outcome(executor, given), await theirs, weights);
    });
  }
}

async function outcome(
  executor: Executor,
  given: {
    readonly weights: Readonly<Record<string, readonly number[]>>;
    readonly x: readonly number[];
    readonly labels: readonly number[];
  },
): Promise<Outcome> {
  const program = network();
  await using state = await executor.createState(program.parameters);
  const initial = Object.entries(given.weights).map(([name, values]) => {
    return [name, Float32Array.from(values)] as const;
  });
  await state.write("values", new Map(initial));
  await state.lossScale?.({ factor: RUN.scale, goodUpdates: 0 });
  const executable = await executor.compile(program);
  const inputs = { x: Float32Array.from(given.x), labels: Int32Array.from(given.labels) };
  const [scales, skipped, losses]: [number[], boolean[], number[]] = [[], [], []];
  for (let step = 0; step < STEPS; step++) {
    if (step === GROWN.grownBefore) {
      const { factor = 0 } = (await state.lossScale?.()) ?? {};
      await state.lossScale?.({ factor, goodUpdates: GROWN.goodUpdates });
    }
    await state.zeroGradients();
    const { loss } = await state.run(executable, inputs);
    const rate = { learningRate: RUN.rate, maxGradientNorm: RUN.clip };
    const optimizer = { kind: "adamw", weightDecay: 0.01 } as const;
    const result = await state.update(optimizer, { step: step + 1, ...rate });
    losses.push(loss?.[0] ?? Number.NaN);
    scales.push(result.lossScale ?? Number.NaN);
    skipped.push(result.skipped === true);
  }
  const { factor = 0, goodUpdates = 0 } = (await state.lossScale?.()) ?? {};
  const values = [...(await state.read("values"))].map(([name, array]) => [name, [...array]]);
  return { scales, skipped, losses, factor, goodUpdates, weights: Object.fromEntries(values) };
}

function network(): Program {
  const builder = new ProgramBuilder();
  const x = builder.input("x", "float32", [ROWS, WIDTH]);
  const [a, b] = [builder.parameter("a", SHAPES.a), builder.parameter("b", SHAPES.b)];
  const hidden = relu(linear(x, a, b));
  const logits = linear(hidden, builder.parameter("c", SHAPES.c));
  const { sum, count } = crossEntropy(logits, builder.input("labels", "int32", [ROWS]));
  const loss = divide(sum, count);
  builder.output("loss", loss);
  addGradients(builder, loss);
  return builder.build();
}

function compared(
  ours: Outcome,
  theirs: Outcome,
  initial: Readonly<Record<string, readonly number[]>>,
): string | string[] {
  const problems: string[] = [];
  for (const name of ["scales", "skipped", "factor", "goodUpdates"] as const) {
    const [found, expected] = [JSON.stringify(ours[name]), JSON.stringify(theirs[name])];
    if (found !== expected) problems.push(`${name}: expected ${expected}, found ${found}`);
  }
  const lost = theirs.skipped.filter((one) => one).length;
  const isLateToo = theirs.skipped.indexOf(true, GROWN.grownBefore) > 0;
  if (lost < 4 || !isLateToo) problems.push(`too few updates are left out: ${theirs.skipped}`);
  let [worst, farthest] = [0, 0];
  for (const [name, values] of Object.entries(theirs.weights)) {
    for (const [at, value] of values.entries()) {
      const apart = Math.abs(value - (ours.weights[name]?.[at] ?? Number.NaN));
      if (!(apart <= worst)) worst = apart;
      farthest = Math.max(farthest, Math.abs(value - (initial[name]?.[at] ?? 0)));
    }
  }
  const told = `weights ${(worst / farthest).toExponential(1)} of the way apart`;
  if (!(worst / farthest <= LIMIT)) problems.push(told);
  return problems.length > 0 ? problems : `${lost} of ${STEPS} updates left out, ${told}`;
}

/** In [-1, 1), exact in float32. */
function numbers(count: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >> 8) / 2 ** 22 - 1;
  });
}
