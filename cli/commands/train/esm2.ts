import { boolean, integer, option, string } from "@oclif/core/flags";
import type { TrainEsm2Options, TrainedEsm2 } from "../../../src/train/train-esm2.ts";
import { BaseCommand } from "../../base-command.ts";
import { exitCodeOf, oneLine } from "../../error-text.ts";
import { number } from "../../number-flag.ts";
import { outputName } from "../../output-name.ts";
import { formatCount } from "../../progress.ts";

const DATA = { helpGroup: "DATA" };
const MODEL = { helpGroup: "MODEL" };
const STEPS = { helpGroup: "STEPS" };
const RESULTS = { helpGroup: "RESULTS" };

export default class TrainEsm2 extends BaseCommand {
  static override summary = "Train ESM-2 on this machine's CPU.";
  static override description =
    "Flags have the names and defaults of BioNeMo's train_esm2 where nothing else is said. Ctrl-C ends " +
    "after the step in progress and writes a checkpoint; the same command with --resume-if-exists goes " +
    "on, and the weights are those of a run that never stopped.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --data proteins.fasta --valid-share 0.05 --max-seq-length 128 --num-steps 200",
    "<%= config.bin %> <%= command.id %> --train-cluster-path train.parquet --train-database-path train.db " +
      "--valid-cluster-path valid.parquet --valid-database-path valid.db",
  ];

  static override flags = {
    data: string({
      ...DATA,
      summary:
        "Proteins: a folder of `proteins build --store`, or FASTA, an SQLite data base, parquet.",
    }),
    "valid-data": string({ ...DATA, summary: "Validation proteins, as --data." }),
    "valid-share": number({ ...DATA, summary: "Share of --data held out for validation." }),
    "train-cluster-path": string({ ...DATA, summary: "Parquet of clusters." }),
    "train-database-path": string({ ...DATA, summary: "SQLite file of their proteins." }),
    "valid-cluster-path": string({ ...DATA, summary: "The same for validation." }),
    "valid-database-path": string({ ...DATA, summary: "The same for validation." }),
    "min-seq-length": integer({ ...DATA, min: 1, summary: "Default: --max-seq-length." }),
    "max-seq-length": integer({ ...DATA, min: 3, default: 1024, summary: "Most tokens of a row." }),
    "random-mask-strategy": option({
      ...DATA,
      options: ["all_tokens", "amino_acids_only"] as const,
      default: "all_tokens",
      summary: "What takes the place of some masked residues.",
    })(),
    size: option({
      ...MODEL,
      options: ["8M", "35M", "150M", "650M", "3B", "15B"] as const,
      summary: "A published size. Default: that of the weights to restore, or 8M.",
      exclusive: ["num-layers", "hidden-size", "num-attention-heads"],
    })(),
    "num-layers": integer({ ...MODEL, min: 1, summary: "Default 6." }),
    "hidden-size": integer({ ...MODEL, min: 1, summary: "Default 320." }),
    "num-attention-heads": integer({ ...MODEL, min: 1, summary: "Default 20." }),
    "ffn-hidden-size": integer({ ...MODEL, min: 1, summary: "Default: 4 times --hidden-size." }),
    "restore-from-checkpoint-path": string({
      ...MODEL,
      summary: "Weights to begin with: a checkpoint, or a folder of transformers.",
    }),
    "num-steps": integer({ ...STEPS, min: 1, default: 500_000, summary: "Updates." }),
    "scheduler-num-steps": integer({ ...STEPS, min: 1, summary: "Default: --num-steps." }),
    "warmup-steps": integer({
      ...STEPS,
      min: 0,
      summary: "Default 2000, but at most a tenth of the steps.",
    }),
    lr: number({ ...STEPS, default: 4e-4, summary: "Learning rate after the warm-up." }),
    "weight-decay": number({ ...STEPS, default: 0.01, summary: "Of matrices." }),
    "clip-grad": number({ ...STEPS, default: 1, summary: "Norm of gradients; 0 for no clipping." }),
    "micro-batch-size": integer({
      ...STEPS,
      min: 1,
      default: 8,
      summary: "Proteins run at a time; the original's default is 64.",
    }),
    "accumulate-grad-batches": integer({
      ...STEPS,
      min: 1,
      default: 1,
      summary: "Micro-batches of an update.",
    }),
    "val-check-interval": integer({
      ...STEPS,
      min: 1,
      default: 10_000,
      summary: "Updates between validations and checkpoints.",
    }),
    "limit-val-batches": integer({
      ...STEPS,
      min: 0,
      default: 2,
      summary: "Batches of a validation.",
    }),
    seed: integer({ ...STEPS, min: 0, default: 42, summary: "Of order, masks and weights." }),
    threads: integer({ ...STEPS, min: 1, summary: "Default: what the machine offers." }),
    "result-dir": string({ ...RESULTS, default: "results", summary: "Folder of runs." }),
    "experiment-name": string({ ...RESULTS, default: "esm2", summary: "Folder of this run." }),
    "resume-if-exists": boolean({ ...RESULTS, summary: "Go on with the run in that folder." }),
    "log-every-n-steps": integer({ ...RESULTS, min: 1, default: 10, summary: "Steps a line." }),
    "create-tensorboard-logger": boolean({ ...RESULTS, summary: "Write TensorBoard files, too." }),
    "disable-checkpointing": boolean({ ...RESULTS, summary: "Write no checkpoints." }),
    "save-top-k": integer({
      ...RESULTS,
      min: -1,
      default: 2,
      summary: "Best checkpoints to keep; -1 for all.",
    }),
    "save-last-checkpoint": boolean({
      ...RESULTS,
      default: true,
      allowNo: true,
      summary: "Keep the newest checkpoint as well.",
    }),
    "metric-to-monitor-for-checkpoints": string({
      ...RESULTS,
      default: "val_loss",
      summary: "What is best has the smallest of it.",
    }),
  };

  async run(): Promise<TrainedEsm2> {
    const { flags } = await this.parse(TrainEsm2);
    const { trainEsm2 } = await import("../../../src/train/train-esm2.ts");
    const { ProgressLineLogger } = await import("../../../src/train/loggers/progress-line.ts");
    const options: TrainEsm2Options = {
      ...given({
        data: flags.data,
        validData: flags["valid-data"],
        validShare: flags["valid-share"],
        trainClusterPath: flags["train-cluster-path"],
        trainDatabasePath: flags["train-database-path"],
        validClusterPath: flags["valid-cluster-path"],
        validDatabasePath: flags["valid-database-path"],
        minSeqLength: flags["min-seq-length"],
        restoreFromCheckpointPath: flags["restore-from-checkpoint-path"],
        schedulerNumSteps: flags["scheduler-num-steps"],
        warmupSteps: flags["warmup-steps"],
        threads: flags.threads,
        model: flags.size ?? sizeOf(flags),
      }),
      maxSeqLength: flags["max-seq-length"],
      randomMaskStrategy: flags["random-mask-strategy"],
      numSteps: flags["num-steps"],
      lr: flags.lr,
      weightDecay: flags["weight-decay"],
      maxGradientNorm: flags["clip-grad"],
      microBatchSize: flags["micro-batch-size"],
      accumulateGradBatches: flags["accumulate-grad-batches"],
      valCheckInterval: flags["val-check-interval"],
      limitValBatches: flags["limit-val-batches"],
      seed: flags.seed,
      resultDir: outputName("result-dir", flags["result-dir"]),
      experimentName: outputName("experiment-name", flags["experiment-name"]),
      resumeIfExists: flags["resume-if-exists"],
      logEveryNSteps: flags["log-every-n-steps"],
      tensorboard: flags["create-tensorboard-logger"],
      checkpointing: !flags["disable-checkpointing"],
      saveTopK: flags["save-top-k"],
      saveLastCheckpoint: flags["save-last-checkpoint"],
      metricToMonitor: flags["metric-to-monitor-for-checkpoints"],
    };
    const lines = new ProgressLineLogger((line) => this.log(line), {
      maxSteps: flags["num-steps"],
      now: () => performance.now(),
    });
    const logger = { log: lines.log.bind(lines), close: () => lines.close() };
    const result = await trainEsm2({
      ...options,
      signal: this.signal,
      logger: {
        log: (step, scalars) => logger.log(step, shown(scalars)),
        close: () => logger.close(),
      },
      observer: {
        started: ({ step, checkpoint }) => {
          if (checkpoint !== null) this.log(`going on from ${oneLine(checkpoint)}, step ${step}`);
        },
      },
    });
    this.log(summary(result));
    if (result.reason === "stopped") process.exitCode = exitCodeOf(this.signal.reason);
    return result;
  }
}

/** The numbers that a line of the terminal has room for. */
function shown(scalars: Readonly<Record<string, number>>): Record<string, number> {
  const names = ["reduced_train_loss", "lr", "tokens_per_second"];
  return Object.fromEntries(
    Object.entries(scalars).filter(([name]) => name.startsWith("val_") || names.includes(name)),
  );
}

function summary({ step, reason, metrics, checkpoint, directory, times }: TrainedEsm2): string {
  const { data, host, compile, run, update, log } = times;
  const total = data + host + compile + run + update + log;
  const share = (ms: number) => `${((100 * ms) / Math.max(total, 1)).toFixed(1)} %`;
  const loss = metrics["val_loss"] ?? metrics["reduced_train_loss"];
  const lines = [
    `${reason === "stopped" ? "stopped after" : "done:"} step ${formatCount(step)}` +
      `${loss === undefined ? "" : `, ${"val_loss" in metrics ? "val loss" : "loss"} ${loss.toFixed(4)}`}`,
    `  ${(total / 1000).toFixed(1)} s of steps: ${share(run)} programs, ${share(update)} optimizer, ` +
      `${share(compile)} compiling, ${share(data)} waiting for data, ${share(host + log)} else`,
    checkpoint === null ? `  ${oneLine(directory)}` : `  checkpoint ${oneLine(checkpoint)}`,
  ];
  if (reason === "stopped") lines.push("  go on: the same command with --resume-if-exists");
  return lines.join("\n");
}

interface SizeFlags {
  readonly "num-layers"?: number | undefined;
  readonly "hidden-size"?: number | undefined;
  readonly "num-attention-heads"?: number | undefined;
  readonly "ffn-hidden-size"?: number | undefined;
}

function sizeOf(flags: SizeFlags): TrainEsm2Options["model"] {
  const intermediateSize = flags["ffn-hidden-size"];
  const given = [flags["num-layers"], flags["hidden-size"], flags["num-attention-heads"]];
  if ([...given, intermediateSize].every((value) => value === undefined)) return undefined;
  return {
    layers: flags["num-layers"] ?? 6,
    hiddenSize: flags["hidden-size"] ?? 320,
    heads: flags["num-attention-heads"] ?? 20,
    ...(intermediateSize === undefined ? {} : { intermediateSize }),
  };
}

/** Without the flags that were not given. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  // proof: the same fields, those that are undefined left out
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
