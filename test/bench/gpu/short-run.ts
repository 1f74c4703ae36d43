/** A run of a few steps with data module, trainer and checkpoints. */
import { ESM2_SIZES } from "../../../src/models/esm2/config.ts";
import { Esm2 } from "../../../src/models/index.ts";
import { type Esm2Batch, Esm2DataModule } from "../../../src/proteins/esm2-data-module.ts";
import { type ExecutorOptions, openDevice } from "../../../src/tensor/index.ts";
import { CheckpointFiles } from "../../../src/train/checkpoints/checkpoint-files.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import { randomProteins } from "./proteins.ts";

export interface ShortRun {
  readonly device: string;
  readonly options?: ExecutorOptions;
  /** Of the published size, for a GPU, or of two small layers. */
  readonly isLarge: boolean;
  readonly model?: Esm2;
  /** Of the checkpoints; a run that is in it goes on. */
  readonly folder: string;
  /** Of the whole run. */
  readonly steps: number;
  /** Where it ends for now; at 0 where it began. Default: after all steps. */
  readonly stopAt?: number;
  readonly validates?: boolean;
}

export interface RunOutcome {
  readonly losses: readonly number[];
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly checkpoint: string | null;
}

/** With dropout, so that its masks count. */
export function shortModel(isLarge: boolean): Esm2 {
  const dropout = { hiddenDropout: 0.1 };
  if (isLarge) return new Esm2({ ...ESM2_SIZES["8M"], ...dropout });
  return new Esm2({ layers: 2, hiddenSize: 64, intermediateSize: 128, heads: 4, ...dropout });
}

export async function shortRun(run: ShortRun): Promise<RunOutcome> {
  const { device, options = {}, isLarge, folder, steps, stopAt = steps, validates = false } = run;
  const [globalBatchSize, maxSeqLength] = isLarge ? [16, 256] : [4, 48];
  const losses: number[] = [];
  const proteins = { train: randomProteins(400), valid: randomProteins(40) };
  await using executor = await openDevice(device, options);
  await using data = new Esm2DataModule({
    ...{ ...proteins, maxSteps: steps, globalBatchSize, maxSeqLength },
  });
  const stop = new AbortController();
  if (stopAt === 0) stop.abort();
  await using trainer = new Trainer<Esm2Batch>({
    ...{ model: run.model ?? shortModel(isLarge), data, executor, maxSteps: steps },
    ...{ schedule: () => 4e-4, maxGradientNorm: 1, saveEveryNSteps: stopAt || steps },
    ...{ valCheckInterval: stopAt || steps, limitValBatches: validates ? 1 : 0 },
    optimizer: { kind: "adamw", betas: [0.9, 0.98], weightDecay: 0.01 },
    checkpoints: new CheckpointFiles(folder),
    observer: {
      trained: ({ step, loss }) => {
        losses.push(loss);
        if (step === stopAt) stop.abort();
      },
    },
  });
  const { checkpoint } = await trainer.fit({ signal: stop.signal });
  return { losses, weights: await trainer.weights(), checkpoint };
}

/** Names of arrays that differ in a bit. */
export function differing(
  some: ReadonlyMap<string, Float32Array>,
  others: ReadonlyMap<string, Float32Array>,
): readonly string[] {
  const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    Buffer.from(buffer, byteOffset, byteLength);
  const names = new Set([...some.keys(), ...others.keys()]);
  return [...names].filter((name) => {
    const [one, other] = [some.get(name), others.get(name)];
    return one === undefined || other === undefined || !bytesOf(one).equals(bytesOf(other));
  });
}
