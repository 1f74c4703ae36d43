import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { string } from "@oclif/core/args";
import { boolean, integer, string as text } from "@oclif/core/flags";
import { fromFsError, InvalidArgumentError } from "../../formats/common/errors.ts";
import type { LoaderState } from "../../src/data/loader-state.ts";
import { STREAM_ORDERS, type StreamReport } from "../../src/data/stream.ts";
import { processPlace } from "../../src/distributed/environment.ts";
import { BaseCommand } from "../base-command.ts";
import { outputName } from "../output-name.ts";
import { formatCount, ProgressLine } from "../progress.ts";

export default class Stream extends BaseCommand {
  static override summary = "Stream batches of an SCDL data set, and say how fast.";
  static override description =
    "Reads batches as a training program would and does nothing with them: for measuring, and for " +
    "seeing which rows come when. Under torchrun, mpirun or srun every process reads its share; rank " +
    "and world size come from the environment.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> pbmc.scdl --batch-size 64 --workers 2 --epochs 3",
    "mpirun -n 2 <%= config.bin %> <%= command.id %> pbmc.scdl --print-rows",
    "mpirun -n 2 <%= config.bin %> <%= command.id %> pbmc.scdl --state run1.json --save-state run2.json",
    "<%= config.bin %> <%= command.id %> pbmc.scdl --max-batches 100 --state run.json",
  ];

  static override args = {
    dataset: string({ required: true, description: "An SCDL folder." }),
  };

  static override flags = {
    "batch-size": integer({
      min: 1,
      summary: "Samples of a batch of this process [64].",
      exclusive: ["global-batch-size"],
    }),
    "global-batch-size": integer({
      min: 1,
      summary: "Samples of a batch of all processes: what --state needs to stay the same.",
    }),
    sampler: text({ options: [...STREAM_ORDERS], default: "shuffled", summary: "Order of rows." }),
    seed: integer({ min: 0, default: 42, summary: "Seed of the order." }),
    epochs: integer({ min: 1, default: 1, summary: "Times over the data set, in all." }),
    "max-batches": integer({ min: 1, summary: "Stop after N batches." }),
    workers: integer({
      min: 0,
      max: 64,
      default: 0,
      summary: "Reading threads; 0 reads in the main one.",
    }),
    prefetch: integer({ min: 0, summary: "Batches read ahead [2 per worker]." }),
    obs: text({ multiple: true, summary: "An obs column every batch carries; repeatable." }),
    dense: boolean({ summary: "Batches with their zeros." }),
    "drop-last": boolean({ summary: "Leave out a last batch that is not full." }),
    "pad-last": boolean({
      summary: "Fill the last batch up with the first samples.",
      exclusive: ["drop-last"],
    }),
    state: text({
      summary: "Go on where this file says; a process alone writes there where it stopped.",
    }),
    "save-state": text({
      summary: "Write where it stopped to this file instead; what several processes need.",
    }),
    "print-rows": boolean({
      summary: "Print epoch, batch and rows of every batch; of several processes the rank first.",
    }),
  };

  async run(): Promise<StreamReport> {
    const { args, flags } = await this.parse(Stream);
    const { streamDataset } = await import("../../src/data/stream.ts");
    const { rank, worldSize } = processPlace();
    const state =
      flags.state === undefined ? undefined : readState(outputName("state", flags.state));
    const stateOut = stateOutput(flags.state, flags["save-state"], worldSize);
    const isPrinted = flags["print-rows"];
    const prefix = worldSize === 1 ? "" : `${rank} `;
    let stands: LoaderState | undefined;
    let done = 0;
    using progress = new ProgressLine();
    try {
      const report = await streamDataset(args.dataset, {
        order: orderOf(flags.sampler),
        seed: flags.seed,
        globalBatchSize: flags["global-batch-size"] ?? (flags["batch-size"] ?? 64) * worldSize,
        rank,
        worldSize,
        epochs: flags.epochs,
        maxBatches: flags["max-batches"],
        workers: flags.workers,
        prefetch: flags.prefetch,
        dense: flags.dense,
        dropLast: flags["drop-last"],
        padLast: flags["pad-last"],
        obs: flags.obs ?? [],
        state,
        signal: this.signal,
        onBatch: ({ epoch, batch, rows }, at) => {
          if (stateOut !== null) stands = at();
          done += rows.length;
          progress.update({ label: `epoch ${epoch}`, done });
          if (isPrinted) this.log(`${prefix}${epoch} ${batch} ${rows.join(" ")}`);
        },
      });
      progress.clear();
      for (const epoch of report.epochs) this.log(epochText(report, epoch));
      if (report.epochs.length === 0) this.log(`all of ${flags.epochs} epochs are done`);
      return report;
    } finally {
      // Every rank stands at the same place: one writes. After Ctrl-C too.
      if (stateOut !== null && stands !== undefined && rank === 0) writeState(stateOut, stands);
    }
  }
}

function epochText(report: StreamReport, epoch: StreamReport["epochs"][number]): string {
  const { rank, worldSize } = report;
  const place = worldSize === 1 ? "" : `rank ${rank} of ${worldSize}, `;
  return (
    `${place}epoch ${epoch.epoch}: ${formatCount(epoch.rows)} rows, ${formatCount(epoch.values)} values ` +
    `in ${formatCount(epoch.batches)} batches, ${epoch.seconds.toFixed(1)} s, ` +
    `${formatCount(Math.round(epoch.rowsPerSecond))} rows/s`
  );
}

/**
 * Where to write, null for nowhere. Of several processes one may begin after another has ended: a
 * file that they read must not be one that they write.
 */
function stateOutput(
  state: string | undefined,
  saved: string | undefined,
  worldSize: number,
): string | null {
  const output = saved === undefined ? state : outputName("save-state", saved);
  if (output === undefined) return null;
  const isBoth = state !== undefined && resolve(output) === resolve(state);
  if (worldSize === 1 || !isBoth) return output;
  throw new InvalidArgumentError(
    "state",
    state,
    `${state}: ${worldSize} processes cannot read the state from the file that one of them writes`,
    { suggestions: ["give another file with --save-state, and that one with --state next time"] },
  );
}

function orderOf(name: string): (typeof STREAM_ORDERS)[number] {
  const order = STREAM_ORDERS.find((known) => known === name);
  if (order !== undefined) return order;
  throw new InvalidArgumentError("sampler", name, `there is no sampler ${name}`);
}

/** Undefined when the file is not there yet. */
function readState(path: string): unknown {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw fromFsError(error, path);
  }
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new InvalidArgumentError("state", path, `${path}: expected the JSON of a state`, {
      cause: error,
      suggestions: ["delete the file to start over"],
    });
  }
}

function writeState(path: string, state: LoaderState): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, `${JSON.stringify(state)}\n`);
    renameSync(temporary, path);
  } catch (error) {
    throw fromFsError(error, path);
  }
}
