import type { Tensor } from "onnxruntime-node";
import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../../optimizer.ts";
import { clipFactor, factorsFor, usesFirst } from "../../update/host-update.ts";
import type { GpuSessions } from "./sessions.ts";
import type { GpuTensors } from "./tensors.ts";
import { NUMBERS, type Numbers, squaresModel, updateModel } from "./update-models.ts";

/** An update in the GPU's memory; only the norm comes to the host. */
export async function updateOnGpu(
  gpu: GpuSessions,
  state: GpuTensors,
  optimizer: OptimizerSettings,
  options: UpdateOptions,
): Promise<UpdateResult> {
  if (state.trained.length === 0) return { gradientNorm: 0, applied: true };
  const gradientNorm = (await globalNorm(gpu, state)) * (options.gradientFactor ?? 1);
  const factor = clipFactor(gradientNorm, options);
  if (factor === null) return { gradientNorm, applied: false };
  const sent = new SentNumbers(gpu);
  try {
    for (const name of state.trained) {
      if (options.only?.has(name) === false) continue;
      await apply(gpu, state, name, { optimizer, options, factor, sent });
    }
  } finally {
    sent.release();
  }
  return { gradientNorm, applied: true };
}

/** The square sums of all gradients are added up on the GPU: the host waits once. */
async function globalNorm(gpu: GpuSessions, state: GpuTensors): Promise<number> {
  let sum = await gpu.upload(new Float32Array(1), []);
  try {
    for (const name of state.trained) {
      const shape = state.shape(name);
      const session = await gpu.once(`squares ${shape}`, () => [squaresModel(shape), ["total"]]);
      const gradient = await state.tensor("gradients", name);
      const { total } = await gpu.run(session, { gradient, sum });
      gpu.release(sum);
      sum = total as Tensor; // proof: the graph's output
    }
    const [squares = Number.NaN] = await gpu.download(sum, []);
    return Math.sqrt(squares);
  } finally {
    gpu.release(sum);
  }
}

interface Update {
  readonly optimizer: OptimizerSettings;
  readonly options: UpdateOptions;
  /** On gradients, clipping included. */
  readonly factor: number;
  readonly sent: SentNumbers;
}

async function apply(
  gpu: GpuSessions,
  state: GpuTensors,
  name: string,
  { optimizer, options, factor, sent }: Update,
): Promise<void> {
  const shape = state.shape(name);
  const factors = factorsFor(name, factor, optimizer, options);
  const { kind, learningRate, weightDecay, beta1, firstUpdate } = factors;
  const numbers: Numbers = {
    gradientFactor: factor,
    coupled: kind === "adamw" ? 0 : weightDecay,
    shrink: kind === "adamw" ? 1 - learningRate * weightDecay : 1,
    rate: learningRate * factors.correction1,
    correction2: factors.correction2,
    momentum: firstUpdate ? 0 : beta1,
  };
  const moments = kind === "sgd" ? (usesFirst(optimizer) ? 1 : 0) : 2;
  const kinds = (["values", "first", "second"] as const).slice(0, 1 + moments);
  const { beta2, epsilon } = factors;
  const settings = { kind, beta1, beta2, epsilon, moments } as const;
  const key = `update ${shape} ${JSON.stringify(settings)}`;
  const session = await gpu.once(key, () => [updateModel(shape, settings), kinds.map(outputOf)]);
  const feeds: Record<string, Tensor> = { gradient: await state.tensor("gradients", name) };
  for (const what of kinds) feeds[what] = await state.tensor(what, name);
  for (const what of NUMBERS) feeds[what] = await sent.tensor(numbers[what]);
  const used = session.inputNames.map((input) => [input, feeds[input] as Tensor] as const); // proof: above
  const results = await gpu.run(session, Object.fromEntries(used));
  for (const what of kinds) state.replace(what, name, results[outputOf(what)]);
}

function outputOf(kind: string): string {
  return `new ${kind}`;
}

/** Numbers on the GPU, each sent once in an update. */
class SentNumbers {
  readonly #gpu: GpuSessions;
  readonly #tensors = new Map<number, Tensor>();

  constructor(gpu: GpuSessions) {
    this.#gpu = gpu;
  }

  async tensor(number: number): Promise<Tensor> {
    const known = this.#tensors.get(number);
    if (known !== undefined) return known;
    const made = await this.#gpu.upload(Float32Array.of(number), []);
    this.#tensors.set(number, made);
    return made;
  }

  release(): void {
    for (const tensor of this.#tensors.values()) this.#gpu.release(tensor);
  }
}
