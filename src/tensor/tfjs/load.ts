import { createRequire } from "node:module";
import { dirname, sep } from "node:path";
import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import { type FoundBackend, findBackend, type TfjsBackend } from "./backends.ts";

export type TensorFlow = typeof import("@tensorflow/tfjs-core");

export interface LoadedTensorFlow {
  readonly tf: TensorFlow;
  readonly backend: TfjsBackend;
}

/**
 * Loads TensorFlow.js with a backend into this thread.
 *
 * @param wanted null for the fastest that is installed
 * @throws NotFoundError where its package is not installed, UnsupportedFeatureError where it does not run
 */
export async function loadTensorFlow(wanted: TfjsBackend | null): Promise<LoadedTensorFlow> {
  const found = findBackend(wanted);
  try {
    const tf = withBackend(found);
    // Without it the packages print advice, and check every value.
    tf.enableProdMode();
    if (!(await tf.setBackend(found.registered))) throw new Error("it did not start");
    await tf.ready();
    return { tf, backend: found.backend };
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    const message = `tfjs: the backend ${found.backend} does not run here: ${reason}`;
    throw new UnsupportedFeatureError("tfjs", message, {
      suggestions: isNode(found) ? NODE_LIMITS : ["use the backend cpu, which runs everywhere"],
      cause: error,
    });
  }
}

const NODE_LIMITS = [
  "tfjs-node is made for Node up to 22, tfjs-node-gpu for CUDA 11.2 with cuDNN 8.1 as well",
  "use the executor torch for a GPU, or the backend wasm",
];

function isNode({ backend }: FoundBackend): boolean {
  return backend === "node" || backend === "node-gpu";
}

function withBackend(found: FoundBackend): TensorFlow {
  const require = createRequire(found.file);
  if (isNode(found)) {
    restoreUtil(require);
    return require(found.file) as TensorFlow; // proof: it exports all of TensorFlow.js
  }
  const module: unknown = require(found.file);
  if (found.backend === "wasm") setWasmPath(module, `${dirname(found.file)}${sep}`);
  // The core that the backend registered itself with.
  return require("@tensorflow/tfjs-core") as TensorFlow; // proof: its types
}

function setWasmPath(module: unknown, directory: string): void {
  (module as { setWasmPaths(path: string): void }).setWasmPaths(directory); // proof: its export
}

/** Functions that newer Node took out and tfjs-node 4.22 calls; only this thread sees them. */
function restoreUtil(require: NodeJS.Require): void {
  const util = require("node:util") as Record<string, unknown>; // proof: a module's exports
  util["isNullOrUndefined"] ??= (value: unknown) => value === null || value === undefined;
  util["isArray"] ??= Array.isArray;
}
