import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type ErrorMessage, errorFromMessage } from "../../../../formats/common/error-message.ts";
import { UnsupportedFeatureError } from "../../../../formats/common/errors.ts";

const LONGEST_MS = 120_000;

let found: Promise<void> | undefined;

/**
 * Tries WebGPU in another process, once: a driver that is broken ends that one.
 *
 * @throws UnsupportedFeatureError where there is no GPU that WebGPU can use
 */
export function requireGpu(): Promise<void> {
  found ??= probe();
  found.catch(() => {
    found = undefined;
  });
  return found;
}

async function probe(): Promise<void> {
  const file = import.meta.url.endsWith(".ts") ? "./probe.ts" : "./probe.js";
  const path = fileURLToPath(new URL(file, import.meta.url));
  let answer: string;
  try {
    const run = promisify(execFile)(process.execPath, [path], { timeout: LONGEST_MS });
    answer = (await run).stdout;
  } catch (error) {
    throw new UnsupportedFeatureError("webgpu", "WebGPU ended the process that tried it", {
      suggestions: ["update the driver of the GPU", "train on the processor: --device cpu"],
      cause: error,
    });
  }
  const problem = JSON.parse(answer) as ErrorMessage | null; // proof: the probe writes it
  if (problem !== null) throw errorFromMessage(problem);
}
