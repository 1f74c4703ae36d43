import type { RunModel } from "../src/train/config/run-kinds.ts";
import type { RunConfig } from "../src/train/config/sections.ts";
import type { StoppedBy } from "../src/train/fit-result.ts";
import type { TrainingRunOptions, TrainingRunResult } from "../src/train/runs/training-run.ts";
import { BaseCommand } from "./base-command.ts";
import { commandConfig, type FlagKey, flagOrKey, type ParsedFlags } from "./config-flags.ts";
import {
  describeError,
  EXIT_FAILURE,
  exitCodeOf,
  exitCodeOfSignal,
  InterruptedError,
  oneLine,
} from "./error-text.ts";
import { originalWarnings } from "./original-train-flags.ts";
import { outputName } from "./output-name.ts";
import { formatCount } from "./progress.ts";
import { rankOfProcess, rankPrefix } from "./rank.ts";

/** What every command that trains gives its program. */
type Shared = Required<
  Pick<TrainingRunOptions<unknown>, "logger" | "observer" | "signal" | "onWeights" | "communicator">
>;

/**
 * A command that trains: lines of progress, and at the end how the run went. Started by mpirun, torchrun
 * or srun its processes train together; rank 0 prints, the others only their errors.
 */
export abstract class TrainCommand extends BaseCommand {
  readonly #isSilent = (rankOfProcess() ?? 0) > 0;
  /** What the user calls the sizes that processes are counted by. */
  #sizeNames = {
    devices: "--num-gpus",
    numNodes: "--num-nodes",
    accumulateGradBatches: "--accumulate-grad-batches",
  };

  override log(message?: string): void {
    if (!this.#isSilent) super.log(message);
  }

  protected override warning(message: string): void {
    if (!this.#isSilent) super.warning(message);
  }

  protected override logJson(json: unknown): void {
    if (!this.#isSilent) super.logJson(json);
  }

  protected override async catch(error: Error): Promise<void> {
    // stdout has one object, that of rank 0.
    if (!this.#isSilent || !this.jsonEnabled()) return super.catch(error);
    this.parsed = true;
    process.stderr.write(`${rankPrefix()}${describeError(error, { stack: false })}\n`);
    process.exitCode = exitCodeOf(error);
  }

  /** The configuration of file, flags and `--set`; prints what is taken without effect. */
  protected async configOf(
    model: RunModel,
    parsed: ParsedFlags,
    keys: Readonly<Record<string, FlagKey>>,
  ): Promise<RunConfig> {
    for (const warning of originalWarnings(parsed.flags)) this.warning(warning);
    const onWarning = (message: string) => this.warning(message);
    const config = await commandConfig(model, parsed, { keys, onWarning });
    const devices = flagOrKey(parsed, "num-gpus", "parallel_config.num_devices");
    const isAlias = this.argv.some((word) => /^--devices(=|$)/.test(word));
    this.#sizeNames = {
      ...this.#sizeNames,
      devices: isAlias ? "--devices" : devices,
      numNodes: flagOrKey(parsed, "num-nodes", "parallel_config.num_nodes"),
    };
    outputName("result-dir", config.experiment_config.result_dir);
    outputName("experiment-name", config.experiment_config.experiment_name);
    return config;
  }

  /** Calls `train` with what shows its progress and stops it, and prints the result. */
  protected async train<R extends TrainingRunResult>(
    { training_config: steps, parallel_config: parallel }: RunConfig,
    train: (shared: Shared) => Promise<R>,
  ): Promise<R> {
    const { ProgressLineLogger } = await import("../src/train/loggers/progress-line.ts");
    const { weightReportLines } = await import("../src/models/weights/weight-report.ts");
    const maxSteps = steps.early_stop_on_step ?? steps.max_steps;
    const lines = new ProgressLineLogger((line) => this.log(line), {
      maxSteps,
      now: () => performance.now(),
    });
    const onStop = () => {
      if (this.signal.reason instanceof InterruptedError)
        this.log(
          "stopping after the steps in progress; Ctrl-C again ends at once, without a checkpoint of them",
        );
    };
    this.signal.addEventListener("abort", onStop, { once: true });
    const { openCommunicator } = await import("../src/distributed/open-communicator.ts");
    const communicator = await openCommunicator({
      signal: this.signal,
      timeoutMs: 1000 * parallel.rank_timeout,
      onWaiting: (ranks) => {
        // Rank 0 knows who is missing; the others speak where that is rank 0.
        if (this.#isSilent && !ranks.includes(0)) return;
        const which = `rank${ranks.length === 1 ? "" : "s"} ${ranks.join(", ")}`;
        process.stderr.write(`${rankPrefix()}waiting for ${which}\n`);
      },
    });
    const { worldSize, name } = communicator;
    if (worldSize === 1 && parallel.shard_optimizer) {
      this.warning("--shard-optimizer has no effect: there is one process");
    }
    if (worldSize > 1) this.log(`${worldSize} processes, connected by ${name}`);
    const shared: Shared = {
      signal: this.signal,
      communicator,
      onWeights: (report) => {
        for (const line of weightReportLines(report)) this.log(oneLine(line));
      },
      logger: {
        log: (step, scalars) => lines.log(step, shown(scalars)),
        close: () => lines.close(),
      },
      observer: {
        started: ({ step, checkpoint, notes }) => {
          if (checkpoint !== null) this.log(`going on from ${oneLine(checkpoint)}, step ${step}`);
          for (const note of notes) this.log(`  ${note}`);
        },
      },
    };
    const { assertRanks } = await import("../src/train/runs/trainer-extras.ts");
    try {
      // The other processes are told: these have met.
      assertRanks(sizesOf(parallel), worldSize, this.#sizeNames);
      const result = await train(shared);
      await communicator.close();
      this.log(summary(result));
      if (result.stoppedBy !== null) process.exitCode = this.#exitCodeOfStop(result.stoppedBy);
      return result;
    } catch (error) {
      communicator.abort(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** Every process ends as the one that was stopped. */
  #exitCodeOfStop({ signal }: StoppedBy): number {
    if (signal !== null) return exitCodeOfSignal(signal);
    return this.signal.aborted ? exitCodeOf(this.signal.reason) : EXIT_FAILURE;
  }
}

function sizesOf(parallel: RunConfig["parallel_config"]) {
  const { num_devices: devices, num_nodes: numNodes } = parallel;
  return { devices, numNodes, accumulateGradBatches: parallel.accumulate_grad_batches };
}

/** The numbers that a line of the terminal has room for. */
function shown(scalars: Readonly<Record<string, number>>): Record<string, number> {
  const names = ["reduced_train_loss", "lr", "tokens_per_second", "forward_ms", "backward_ms"];
  return Object.fromEntries(
    Object.entries(scalars).filter(([name]) => name.startsWith("val_") || names.includes(name)),
  );
}

const ENDS = {
  "max-steps": "done:",
  stopped: "stopped after",
  "early-stop": "no improvement, ended after",
} as const;

/** Of a stop that came from somewhere else than this process, rank 0. */
function stopText(stoppedBy: StoppedBy | null): string {
  if (stoppedBy === null || stoppedBy.rank === 0) return "";
  return `, by ${stoppedBy.signal ?? "an error"} on rank ${stoppedBy.rank}`;
}

function summary({
  step,
  reason,
  metrics,
  checkpoint,
  directory,
  report,
  times,
  stoppedBy,
}: TrainingRunResult): string {
  const { data, host, compile, run, exchange, update, log } = times;
  const total = data + host + compile + run + exchange + update + log;
  const share = (ms: number) => `${((100 * ms) / Math.max(total, 1)).toFixed(1)} %`;
  const loss = metrics["val_loss"] ?? metrics["reduced_train_loss"];
  const lines = [
    `${ENDS[reason]} step ${formatCount(step)}${stopText(stoppedBy)}` +
      `${loss === undefined ? "" : `, ${"val_loss" in metrics ? "val loss" : "loss"} ${loss.toFixed(4)}`}`,
    `  ${(total / 1000).toFixed(1)} s of steps: ${share(run)} programs, ${share(update)} optimizer, ` +
      `${share(compile)} compiling, ${share(data)} waiting for data, ` +
      `${exchange < total / 1000 ? "" : `${share(exchange)} other processes, `}${share(host + log)} else`,
    `  report ${oneLine(report)}`,
    checkpoint === null ? `  ${oneLine(directory)}` : `  checkpoint ${oneLine(checkpoint)}`,
  ];
  if (reason === "stopped") lines.push("  go on: the same command with --resume-if-exists");
  return lines.join("\n");
}
