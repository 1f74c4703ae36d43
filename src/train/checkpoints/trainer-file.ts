/** `trainer.json`: where a run stood, and the files of its checkpoint with their checksums. */
import { join } from "node:path";
import { FileSource } from "../../../formats/bytes/file-source.ts";
import { crc32Hex } from "../../../formats/common/crc32.ts";
import { FormatError } from "../../../formats/common/errors.ts";
import type { WrittenFile } from "../../../formats/safetensors/shards.ts";
import { encodeProgress, type RunProgress, readProgress } from "../run-progress.ts";

export const TRAINER_FILE = "trainer.json";
const FORMAT = "scdl-checkpoint";
const VERSION = 1;
const LIMIT_BYTES = 64 << 20;

/** Everything of a run that is not a tensor. Kept as JSON: no NaN, no bigint, no typed arrays. */
export interface TrainerState {
  /** Optimizer updates done; the next one is the schedule's step of this number. */
  readonly step: number;
  readonly epoch: number;
  /** Samples of the training data that went into those updates, over all processes. */
  readonly consumedSamples: number;
  /**
   * The values at this step that checkpoints may be chosen by; what is not finite is left out. Empty
   * where the run would not have written one, had it not been stopped.
   */
  readonly metrics: Readonly<Record<string, number>>;
  /** What a trainer needs besides to go on; absent in what others write. */
  readonly progress?: RunProgress;
  /** `state()` of the data module. */
  readonly data: unknown;
  /** Seeds and counters that dropout and masking are keyed by. */
  readonly random: unknown;
  /** The resolved configuration. */
  readonly config: unknown;
  /** Versions of this package, Node and what computed the steps. */
  readonly versions: Readonly<Record<string, string>>;
}

export function encodeTrainerFile(state: TrainerState, files: readonly WrittenFile[]): Uint8Array {
  const metrics = Object.entries(state.metrics).filter(([, value]) => Number.isFinite(value));
  const content = {
    format: FORMAT,
    version: VERSION,
    ...state,
    metrics: Object.fromEntries(metrics),
    ...(state.progress === undefined ? {} : { progress: encodeProgress(state.progress) }),
    files: files.map(({ name, bytes, crc32 }) => ({ name, bytes, crc32: crc32Hex(crc32) })),
  };
  return Buffer.from(`${JSON.stringify(content, null, 2)}\n`, "utf8");
}

export interface TrainerFile {
  readonly trainer: TrainerState;
  readonly files: readonly WrittenFile[];
}

/** @throws NotFoundError when the directory is no checkpoint, FormatError for a damaged file */
export function readTrainerFile(directory: string): TrainerFile {
  const path = join(directory, TRAINER_FILE);
  const value = parsed(path);
  const fail = (message: string): never => {
    throw new FormatError("damaged-checkpoint", message, { path });
  };
  if (value["format"] !== FORMAT) fail(`expected a ${FORMAT}, found ${shown(value["format"])}`);
  if (value["version"] !== VERSION) {
    throw new FormatError(
      "unsupported-version",
      `expected version ${VERSION}, found ${shown(value["version"])}`,
      { path, suggestions: ["use the version of this package that wrote it"] },
    );
  }
  const count = (name: string): number => {
    const found = value[name];
    if (typeof found === "number" && Number.isSafeInteger(found) && found >= 0) return found;
    return fail(`expected a count for ${name}, found ${shown(found)}`);
  };
  const record = <T>(name: string, isItem: (item: unknown) => item is T): Record<string, T> => {
    const found = value[name];
    if (!isRecord(found)) return fail(`expected an object for ${name}, found ${shown(found)}`);
    const items: Record<string, T> = {};
    for (const [key, item] of Object.entries(found)) {
      if (!isItem(item)) return fail(`${name}.${key} is ${shown(item)}`);
      items[key] = item;
    }
    return items;
  };
  const step = count("step");
  const { progress } = value;
  const trainer: TrainerState = {
    step,
    epoch: count("epoch"),
    consumedSamples: count("consumedSamples"),
    metrics: record("metrics", (item) => typeof item === "number"),
    ...(progress === undefined ? {} : { progress: readProgress(progress, path, step) }),
    data: value["data"],
    random: value["random"],
    config: value["config"],
    versions: record("versions", (item) => typeof item === "string"),
  };
  return { trainer, files: filesOf(value["files"], fail) };
}

function filesOf(value: unknown, fail: (message: string) => never): WrittenFile[] {
  if (!Array.isArray(value) || value.length === 0) return fail("expected a list of files");
  return value.map((file: unknown) => {
    const { name, bytes, crc32 } = isRecord(file) ? file : {};
    const isFile =
      typeof name === "string" &&
      /^[^/\\]+\.(safetensors|json|vocab)$/.test(name) &&
      typeof bytes === "number" &&
      Number.isSafeInteger(bytes) &&
      bytes >= 0 &&
      typeof crc32 === "string" &&
      /^[0-9a-f]{8}$/.test(crc32);
    if (!isFile) return fail(`expected name, bytes and crc32 of a file, found ${shown(file)}`);
    return { name, bytes, crc32: Number.parseInt(crc32, 16) };
  });
}

function parsed(path: string): Record<string, unknown> {
  using file = FileSource.open(path);
  if (file.byteLength > LIMIT_BYTES) {
    const message = `expected at most ${LIMIT_BYTES} bytes, found ${file.byteLength}`;
    throw new FormatError("too-large", message, { path });
  }
  const text = Buffer.from(file.read(0, file.byteLength)).toString("utf8");
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch {
    // said below
  }
  throw new FormatError("damaged-checkpoint", "expected a JSON object", { path });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 80);
