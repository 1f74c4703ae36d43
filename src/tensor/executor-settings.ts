import { InvalidArgumentError, UnsupportedFeatureError } from "../../formats/common/errors.ts";
import type { ExecutorOptions } from "./open-executor.ts";
import type { TfjsBackend } from "./tfjs/backends.ts";
import { type Precision, precisionOf } from "./torch/precision.ts";

/** What an executor computes on, and how: what all ranks of a run must have alike. */
export interface ExecutorSettings {
  /** As `--device` has it, without a GPU's number; `reference` for plain loops. */
  readonly device: string;
  readonly precision: Precision;
  readonly deterministic: boolean;
  readonly tf32: boolean;
}

type SettingsDevice = "cpu" | "torch-cpu" | "cuda" | "webgpu" | `tfjs:${TfjsBackend}` | "reference";

/** Those whose results are the same bit for bit every time, asked for or not. */
const REPEATING: readonly SettingsDevice[] = [
  "cpu",
  "torch-cpu",
  "reference",
  "tfjs:wasm",
  "tfjs:cpu",
];

/**
 * The settings of an executor's options.
 *
 * @throws InvalidArgumentError for a value that there is not, UnsupportedFeatureError for what the
 *   device cannot do
 */
export function executorSettings(
  device: SettingsDevice,
  options: ExecutorOptions,
): ExecutorSettings {
  const precision = precisionOf(options.precision ?? "32");
  const { deterministic = false, tf32 = false, countMemory = false, backend } = options;
  const isTorch = device === "torch-cpu" || device === "cuda";
  if (precision !== "32" && !isTorch) {
    throw cannot("precision", `device ${device} computes float32, not ${precision}`, [
      "leave the precision at 32, or use torch-cpu or cuda, see scdl devices",
    ]);
  }
  if (deterministic && device !== "cuda" && !REPEATING.includes(device)) {
    throw cannot("deterministic", `device ${device} cannot promise the same bits every time`, [
      `leave deterministic out, or use ${REPEATING[0]} or cuda`,
    ]);
  }
  if (tf32 && device !== "cuda") {
    throw cannot("tf32", `device ${device} has no TF32: it is a format of NVIDIA's GPUs`, [
      "leave tf32 out, or use cuda",
    ]);
  }
  if (countMemory && !isTorch) {
    throw cannot("countMemory", `device ${device} does not count its memory`, [
      "leave countMemory out, or use torch-cpu or cuda",
    ]);
  }
  if (backend !== undefined && !device.startsWith("tfjs")) {
    const message = `device ${device} has no backend, found ${backend}`;
    throw new InvalidArgumentError("backend", backend, message, {
      suggestions: ["leave it out: backends are those of tfjs"],
    });
  }
  return { device, precision, deterministic, tf32 };
}

function cannot(feature: string, message: string, suggestions: string[]): UnsupportedFeatureError {
  return new UnsupportedFeatureError(feature, message, { suggestions });
}
