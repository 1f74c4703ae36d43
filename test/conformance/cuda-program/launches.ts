/**
 * How many operators a layer takes, forward and backward, and its parameters in an update: on a GPU each
 * is launched by itself, which decides the speed of small models. Beside it PyTorch eager's with
 * transformers, without dropout.
 */
import { fileURLToPath } from "node:url";
import { Esm2, Geneformer, initialParameters } from "../../../src/models/index.ts";
import type { FoundLibtorch } from "../../../src/tensor/torch/find-libtorch.ts";
import { GRADIENT_SEED, ModelPrograms } from "../../../src/train/model-programs.ts";
import { askOnce } from "../ask-once.ts";
import type { Tally } from "../tally.ts";
import { SimulatedGpu, torchService } from "./executor.ts";

const DRIVER = fileURLToPath(new URL("./eager.py", import.meta.url));
const LAYERS = [1, 3] as const;
const TOKENS = 32;

type Counts = Readonly<Record<string, number>>;
type Precision = "32" | "bf16-mixed";

interface Counted {
  readonly kind: "esm" | "bert";
  readonly precision: Precision;
  /** Most that a layer may take here. */
  readonly limit: number;
}

const CASES: readonly Counted[] = [
  { kind: "esm", precision: "32", limit: 54 },
  { kind: "esm", precision: "bf16-mixed", limit: 70 },
  { kind: "bert", precision: "32", limit: 39 },
  { kind: "bert", precision: "bf16-mixed", limit: 53 },
];

export async function checkLaunches(
  tally: Tally,
  python: string,
  libtorch: FoundLibtorch,
): Promise<void> {
  const asked = CASES.flatMap(({ kind, precision }) =>
    LAYERS.map((layers) => ({ kind, layers, low: precision !== "32" })),
  );
  const theirs = (await askOnce(python, DRIVER, asked)) as readonly Counts[]; // proof: eager.py
  for (const [at, { kind, precision, limit }] of CASES.entries()) {
    const what = `torch's program for CUDA: operators of a layer of ${kind}, precision ${precision}`;
    await tally.check(what, async () => {
      const found = [];
      for (const layers of LAYERS)
        found.push(await counted(kind, layers, precision, python, libtorch));
      const [few, many] = found as [Step, Step]; // proof: two numbers of layers
      const run = perLayer(few.run, many.run);
      const update = perLayer(few.update, many.update);
      const eager = perLayer(theirs[2 * at] ?? {}, theirs[2 * at + 1] ?? {});
      const told = `${run} and ${update} in an update, eager ${eager}`;
      return run <= Math.min(limit, eager) && update === 0 ? told : [told];
    });
  }
}

interface Step {
  readonly run: Counts;
  readonly update: Counts;
}

function perLayer(few: Counts, many: Counts): number {
  const total = (counts: Counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
  return (total(many) - total(few)) / (LAYERS[1] - LAYERS[0]);
}

/** Of the second step: the first one makes tables and lower weights. */
async function counted(
  kind: Counted["kind"],
  layers: number,
  precision: Precision,
  python: string,
  libtorch: FoundLibtorch,
): Promise<Step> {
  const size = { layers, hiddenSize: 32, heads: 2 };
  const undropped = { hiddenDropout: 0, attentionDropout: 0, maxPositions: TOKENS };
  const model =
    kind === "esm"
      ? new Esm2(size)
      : new Geneformer({ ...size, ...undropped, layout: "bert", vocabSize: 33 });
  const text = new Int32Array(TOKENS).fill(5);
  const attentionMask = new Uint8Array(TOKENS).fill(1).fill(0, TOKENS - 6);
  const batch = {
    text,
    labels: text,
    attentionMask,
    lossMask: attentionMask,
    shape: [2, TOKENS / 2],
  } as const;
  const batchSize = model.sizeOf(batch);
  const service = torchService(python);
  await using executor = new SimulatedGpu(service, libtorch, { precision });
  const program = new ModelPrograms(model).get(batchSize, "train");
  await using state = await executor.createState(program.parameters);
  await state.write("values", initialParameters(model.parameters, 3));
  const executable = await executor.compile(program);
  const inputs = {
    ...model.inputs(batch, batchSize, "train"),
    [GRADIENT_SEED]: Float32Array.of(1),
  };
  const launched = () => service.ask("launched") as Counts; // proof: service.py
  let last: Step = { run: {}, update: {} };
  for (const step of [1, 2]) {
    await state.zeroGradients();
    launched();
    await state.run(executable, inputs, { step });
    const run = launched();
    await state.update({ kind: "adamw" }, { step, learningRate: 1e-3, maxGradientNorm: 1 });
    last = { run, update: launched() };
  }
  return last;
}
