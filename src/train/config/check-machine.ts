/** Values of a configuration that no machine, or not this one, has the processors or memory for. */
import { availableParallelism } from "node:os";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { type MemoryBound, processMemory } from "../../tensor/memory-limit.ts";
import { mostThreads } from "../../tensor/threads.ts";
import { memoryText } from "../smaller.ts";
import { isInferring, networkOf, type RunModel } from "./run-kinds.ts";
import type { RunConfig } from "./sections.ts";

export interface Machine {
  readonly processors: number;
  readonly memory: MemoryBound;
}

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  return { processors: availableParallelism(), memory: processMemory() };
}

/** Tokens and labels. */
const BYTES_OF_TOKEN = 8;
const FLOAT_BYTES = 4;
/** More than any GPU has. */
const MOST: MemoryBound = { bytes: 2 ** 40, owner: "no device" };
/** The shortest row: a token between that of the beginning and that of the end. */
const SHORTEST = 3;

/**
 * Refuses more threads than help, and batches that are sure not to fit: the bounds are far below what
 * a run takes, so that one that is let through may still be too large.
 * @throws InvalidArgumentError
 */
export function checkMachine(
  config: RunConfig,
  { processors, memory: host }: Machine,
  { model, nameOf }: { readonly model: RunModel; readonly nameOf: (key: string) => string },
): void {
  const { data_config: data, training_config: training, bionemo_model_config: sizes } = config;
  const { threads, device } = training;
  const most = mostThreads(processors);
  if (threads !== null && threads > most) {
    const message = `${nameOf("training_config.threads")} ${threads}: expected at most ${most}, this machine has ${processors} processors`;
    throw new InvalidArgumentError("training_config.threads", threads, message, {
      suggestions: [`leave it out for ${processors}`],
    });
  }
  // A data set may have fewer rows than inference runs at a time.
  if (isInferring(model)) return;
  const isEsm2 = networkOf(model) === "esm2";
  const length = Math.max((isEsm2 ? data.min_seq_length : null) ?? SHORTEST, SHORTEST);
  const rows = data.micro_batch_size;
  const { accumulate_grad_batches: parts } = config.parallel_config;
  // What the backward pass needs of each layer is at least what goes into it.
  const inModel = length * (sizes.hidden_size ?? 1) * (sizes.num_layers ?? 1) * FLOAT_BYTES;
  const inHost = length * BYTES_OF_TOKEN;
  const hasOwnMemory = device !== "cpu" && device !== "torch-cpu";
  const bounds = [
    ["data_config.micro_batch_size", rows, inModel, hasOwnMemory ? MOST : host],
    ["data_config.micro_batch_size", rows, inHost, host],
    ["parallel_config.accumulate_grad_batches", rows * parts, inHost, host],
  ] as const;
  for (const [key, count, bytes, memory] of bounds) {
    if (count * bytes <= memory.bytes) continue;
    const value = key === "data_config.micro_batch_size" ? rows : parts;
    const message =
      `${nameOf(key)} ${value}: ${count} rows of ${length} tokens take at least ${memoryText(count * bytes)}, ` +
      `${memory.owner} has ${memory === MOST ? "more than " : ""}${memoryText(memory.bytes)}`;
    const lengthKey = isEsm2 ? "data_config.max_seq_length" : "data_config.seq_length";
    throw new InvalidArgumentError(key, value, message, {
      suggestions: [`a smaller ${nameOf(key)}`, `or a smaller ${nameOf(lengthKey)}`],
    });
  }
}
