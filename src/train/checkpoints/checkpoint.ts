/**
 * One checkpoint: a directory of weights, optimizer state and `trainer.json`, which says what else
 * belongs to it. Written under another name and renamed, so that it is whole or absent.
 */
import { randomBytes } from "node:crypto";
import { existsSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FileSource } from "../../../formats/bytes/file-source.ts";
import { crc32 } from "../../../formats/common/crc32.ts";
import { FormatError, fromFsError, NotFoundError } from "../../../formats/common/errors.ts";
import { makeDirectories } from "../../../formats/common/make-directories.ts";
import { writeSmallFile } from "../../../formats/common/output-file.ts";
import { syncDirectory } from "../../../formats/common/sync-directory.ts";
import { SafetensorsFile } from "../../../formats/safetensors/safetensors-file.ts";
import {
  SafetensorsCheckpoint,
  type WrittenFile,
  writeShards,
} from "../../../formats/safetensors/shards.ts";
import type { StoredTensor } from "../../../formats/safetensors/tensor.ts";
import { writeSafetensors } from "../../../formats/safetensors/write-safetensors.ts";
import { CONFIG_FILE, modelConfigText } from "../../models/weights/config-text.ts";
import {
  encodeTrainerFile,
  readTrainerFile,
  TRAINER_FILE,
  type TrainerState,
} from "./trainer-file.ts";

export const OPTIMIZER_FILE = "optimizer.safetensors";
const READ_BYTES = 1 << 20;

/** What a trainer hands over; arrays are only read. */
export interface Checkpoint {
  /** Weights by name, in Hugging Face's names and layout. */
  readonly model: ReadonlyMap<string, StoredTensor>;
  /** Optimizer state by name, e.g. `exp_avg.<weight>`; empty for weights alone. */
  readonly optimizer: ReadonlyMap<string, StoredTensor>;
  readonly trainer: TrainerState;
  /** Written as `config.json`, with which transformers loads the directory. Default: none. */
  readonly modelConfig?: Readonly<Record<string, unknown>>;
  /** Files that whoever uses the weights needs, by name: vocabularies. Default: none. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
}

/** A checkpoint opened for reading. Close it (or `using`). */
export interface OpenCheckpoint extends Disposable {
  readonly path: string;
  readonly trainer: TrainerState;
  readonly model: SafetensorsCheckpoint;
  readonly optimizer: SafetensorsFile;
  close(): void;
}

export interface WriteCheckpointOptions {
  /** Bytes of weights in one file. Default 50e9. */
  readonly maxShardBytes?: number;
}

/**
 * Writes a checkpoint at `path`, flushed to the disk. One that is there is replaced; when anything
 * fails it stays, and nothing else is left.
 *
 * @throws StorageError, InvalidArgumentError for a tensor whose parts do not belong together
 */
export function writeCheckpoint(
  path: string,
  checkpoint: Checkpoint,
  options: WriteCheckpointOptions = {},
): void {
  const temporary = temporarySibling(path);
  try {
    makeDirectories(temporary);
    const files: WrittenFile[] = [...writeShards(temporary, checkpoint.model, options)];
    const optimizer = writeSafetensors(join(temporary, OPTIMIZER_FILE), checkpoint.optimizer);
    files.push({ name: OPTIMIZER_FILE, ...optimizer });
    if (checkpoint.modelConfig !== undefined) {
      const text = Buffer.from(modelConfigText(checkpoint.modelConfig), "utf8");
      const digest = writeSmallFile(join(temporary, CONFIG_FILE), text);
      files.push({ name: CONFIG_FILE, ...digest });
    }
    for (const [name, bytes] of checkpoint.files ?? []) {
      files.push({ name, ...writeSmallFile(join(temporary, name), bytes) });
    }
    writeSmallFile(join(temporary, TRAINER_FILE), encodeTrainerFile(checkpoint.trainer, files));
    syncDirectory(temporary);
    if (existsSync(path)) {
      // Whoever reads the old one at this moment keeps its open files.
      const old = temporarySibling(path);
      renameSync(path, old);
      renameSync(temporary, path);
      removeCheckpoint(old);
    } else {
      renameSync(temporary, path);
    }
    syncDirectory(dirname(path));
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw fromFsError(error, path);
  }
}

/** `.NAME.tmp-PID-RANDOM` beside `path`. */
function temporarySibling(path: string): string {
  const random = randomBytes(4).toString("hex");
  return join(dirname(path), `.${basename(path)}.tmp-${process.pid}-${random}`);
}

/** Removes `trainer.json` first: what is left of an interrupted removal is no checkpoint. */
export function removeCheckpoint(path: string): void {
  try {
    rmSync(join(path, TRAINER_FILE), { force: true });
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    throw fromFsError(error, path);
  }
}

/**
 * Reads every byte and compares lengths and checksums with `trainer.json`.
 * @param isAsked which files, by name. Default: all
 * @throws FormatError that names the damaged file, NotFoundError
 */
export function verifyCheckpoint(
  path: string,
  isAsked: (name: string) => boolean = () => true,
): void {
  for (const { name, bytes, crc32: expected } of readTrainerFile(path).files) {
    if (!isAsked(name)) continue;
    const file = join(path, name);
    using source = openPart(file, path);
    if (source.byteLength !== bytes) {
      throw damaged(file, `expected ${bytes} bytes, found ${source.byteLength}`);
    }
    const block = new Uint8Array(Math.min(bytes, READ_BYTES));
    let found = 0;
    for (let at = 0; at < bytes; at += block.length) {
      const part = block.subarray(0, Math.min(block.length, bytes - at));
      source.readInto(at, part);
      found = crc32(part, found);
    }
    if (found !== expected) throw damaged(file, "the checksum is not that of the file written");
  }
}

/**
 * Opens a checkpoint. Headers are checked, the bytes of the tensors are not: see
 * {@link verifyCheckpoint}.
 *
 * @throws NotFoundError, FormatError, StorageError
 */
export function openCheckpoint(path: string): OpenCheckpoint {
  const { trainer } = readTrainerFile(path);
  const model = SafetensorsCheckpoint.open(path);
  let optimizer: SafetensorsFile;
  try {
    optimizer = SafetensorsFile.open(join(path, OPTIMIZER_FILE));
  } catch (error) {
    model.close();
    throw error;
  }
  const close = (): void => {
    model.close();
    optimizer.close();
  };
  return { path, trainer, model, optimizer, close, [Symbol.dispose]: close };
}

function openPart(file: string, checkpoint: string): FileSource {
  try {
    return FileSource.open(file);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw damaged(file, `is not there, but belongs to the checkpoint ${checkpoint}`);
  }
}

function damaged(path: string, message: string): FormatError {
  return new FormatError("damaged-checkpoint", message, { path });
}
