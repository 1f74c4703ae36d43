/** A loading thread: opens the data set, then reads the rows of one batch after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { errorToMessage } from "../../formats/common/error-message.ts";
import type { CsrBatch } from "./batch.ts";
import { BatchGatherer, type BatchMemory, type GatheredArrays } from "./batch-gatherer.ts";
import { reclaim } from "./batch-reader.ts";
import { type CollateFunction, toBatch } from "./collate.ts";
import { importCollate } from "./collate-module.ts";
import { openSource } from "./reopen-source.ts";
import type { WorkerReply, WorkerRequest, WorkerSetup } from "./worker-messages.ts";

// Set by the loader that starts this thread.
const setup = workerData as WorkerSetup;
/** Memory of batches that a collate function is done with. */
const spare: BatchMemory[] = [];

try {
  const source = await openSource(setup.source);
  const gatherer = new BatchGatherer(source, setup.settings);
  const collate = setup.collate === null ? null : await importCollate(setup.collate);
  parentPort?.on("message", (request: WorkerRequest) => {
    if (collate === null) answer(gatherer, request);
    else void answerCollated(gatherer, collate, request);
  });
} catch (error) {
  fail(null, error, false);
}

function answer(gatherer: BatchGatherer, { id, rows, memory }: WorkerRequest): void {
  try {
    const arrays = gatherer.gather(rows, memory);
    const reply: WorkerReply = { kind: "arrays", id, arrays };
    parentPort?.postMessage(reply, memoryOf(arrays));
  } catch (error) {
    fail(id, error, false);
  }
}

async function answerCollated(
  gatherer: BatchGatherer,
  collate: CollateFunction,
  { id, rows, info, memory }: WorkerRequest,
): Promise<void> {
  let inCollate = false;
  try {
    const arrays = gatherer.gather(rows, spare.pop() ?? memory);
    if (info === null) return;
    // Layout "csr" is what the loader asks for when there is a function.
    const batch = toBatch(info, arrays, gatherer.source.nVars) as CsrBatch;
    inCollate = true;
    const value = await collate(batch);
    const reply: WorkerReply = { kind: "collated", id, value };
    parentPort?.postMessage(reply, ownMemory(value, arrays));
    spare.push(reclaim(arrays));
  } catch (error) {
    fail(id, error, inCollate);
  }
}

function fail(id: number | null, error: unknown, inCollate: boolean): void {
  const sent = errorToMessage(error, setup.source.directories.join(", "));
  const reply: WorkerReply = { kind: "failed", id, inCollate, error: sent };
  parentPort?.postMessage(reply);
}

/** Typed arrays of a collate result that need not be copied: top level, and not of the batch. */
function ownMemory(value: unknown, arrays: GatheredArrays): ArrayBuffer[] {
  if (typeof value !== "object" || value === null) return [];
  const shared = new Set(memoryOf(arrays));
  const own = new Set<ArrayBuffer>();
  for (const item of Object.values(value)) {
    if (!ArrayBuffer.isView(item) || !(item.buffer instanceof ArrayBuffer)) continue;
    const isWhole = item.byteLength === item.buffer.byteLength;
    if (isWhole && !shared.has(item.buffer)) own.add(item.buffer);
  }
  return [...own];
}

function memoryOf({ data, indices, indptr }: GatheredArrays): ArrayBuffer[] {
  const arrays = indices === null || indptr === null ? [data] : [data, indices, indptr];
  // Made by the gatherer over ArrayBuffers, never over shared memory.
  return arrays.map(({ buffer }) => buffer as ArrayBuffer);
}
