import { createRequire } from "node:module";
import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import { OnnxGraph } from "./graph.ts";

/** What package.json asks for. */
export const VERSION = "1.30.0";

export type OnnxRuntime = typeof import("onnxruntime-node");

let loaded: OnnxRuntime | undefined;
let shared: Promise<boolean> | undefined;

/**
 * Whether tensors may lie in shared memory. Older Node (22) hands native code no such array; there
 * weights and gradients are copied for every run.
 */
export function takesSharedMemory(runtime: OnnxRuntime): Promise<boolean> {
  shared ??= probe(runtime);
  return shared;
}

async function probe({ InferenceSession, Tensor }: OnnxRuntime): Promise<boolean> {
  const graph = new OnnxGraph();
  graph.input("x", "float32", [1]);
  graph.node("Identity", ["x"], ["y"]);
  graph.output("y", "float32", [1]);
  const session = await InferenceSession.create(graph.finish("probe"));
  try {
    await session.run({
      x: new Tensor("float32", new Float32Array(new SharedArrayBuffer(4)), [1]),
    });
    return true;
  } catch {
    return false;
  } finally {
    await session.release();
  }
}

/**
 * Loads ONNX Runtime's native library, once in a thread.
 *
 * @throws UnsupportedFeatureError where the package has no library for this platform.
 */
export async function loadRuntime(): Promise<OnnxRuntime> {
  if (loaded !== undefined) return loaded;
  try {
    // The package is CommonJS; its named exports are not visible to an import.
    const runtime = createRequire(import.meta.url)("onnxruntime-node") as OnnxRuntime; // proof: its types
    runtime.env.logLevel = "error";
    loaded = runtime;
    return runtime;
  } catch (error) {
    const place = `${process.platform}-${process.arch}`;
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new UnsupportedFeatureError("onnx", `ONNX Runtime does not load on ${place}: ${reason}`, {
      suggestions: [
        "it runs on Linux with glibc (x64, arm64), macOS (arm64) and Windows (x64, arm64)",
        `install it: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@${VERSION}`,
      ],
      cause: error,
    });
  }
}
