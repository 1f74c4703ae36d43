import { NotFoundError } from "../../formats/common/errors.ts";
import type { Executor } from "./executor.ts";

export interface ExecutorOptions {
  /** Threads of one operation. Default: what the machine offers. */
  readonly threads?: number;
  /** Compiled programs kept at a time. Default: 8. */
  readonly cachedPrograms?: number;
}

export const EXECUTORS = ["onnx", "reference"] as const;
export type ExecutorName = (typeof EXECUTORS)[number];

/**
 * Starts an executor by name: `onnx` (ONNX Runtime on the CPU), `reference` (plain loops, for tests).
 *
 * @throws NotFoundError for another name, UnsupportedFeatureError where its runtime cannot load.
 */
export async function openExecutor(
  name: string = "onnx",
  options: ExecutorOptions = {},
): Promise<Executor> {
  switch (name) {
    case "reference": {
      const { ReferenceExecutor } = await import("./reference/executor.ts");
      return new ReferenceExecutor();
    }
    case "onnx": {
      const { OnnxExecutor } = await import("./onnx/executor.ts");
      return new OnnxExecutor(options);
    }
    default:
      throw new NotFoundError("executor-unknown", `there is no executor ${name}`, {
        what: name,
        available: EXECUTORS,
      });
  }
}
