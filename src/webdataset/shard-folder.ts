import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgumentError, StorageError } from "../../formats/common/errors.ts";
import { writeSmallFile } from "../../formats/common/output-file.ts";
import { pythonJson } from "../../formats/common/python-json.ts";
import {
  createTemporary,
  outputTarget,
  replaceDirectory,
  sweepLeftovers,
} from "../../formats/scdl/directory-swap.ts";
import type { Compression } from "../../formats/tar/output-sink.ts";
import { ShardWriter, type WrittenShard } from "./shard-writer.ts";

export interface ShardFolderOptions {
  /** Folder of the shards; it appears when all are written. */
  readonly output: string;
  readonly samplesPerShard: number;
  /** Shards are `<prefix>-000000.tar`. Default "cells", or "proteins". */
  readonly prefix?: string;
  readonly compress?: Compression | null;
  /** Replace a folder of shards. Default false. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly samples: number; readonly total: number }) => void;
  readonly onWarning?: (message: string) => void;
}

/** Describes the shards, in their folder. */
export const MANIFEST_FILE = "shards.json";
const OURS = /^[^/]+-\d{6}\.tar(\.gz|\.zst)?(\.index)?$/;

/** What {@link writeShardFolder} asks of its caller. */
export interface ShardContent {
  readonly prefix: string;
  write(writer: ShardWriter): Promise<void>;
  /** What `shards.json` says besides the shards, in this order around them. */
  readonly before: Readonly<Record<string, unknown>>;
  readonly after: Readonly<Record<string, unknown>>;
}

/** @throws InvalidArgumentError; StorageError for a folder that may not be replaced */
export function checkShardFolder(options: ShardFolderOptions): void {
  const { output, samplesPerShard, prefix, overwrite = false } = options;
  if (!(Number.isSafeInteger(samplesPerShard) && samplesPerShard >= 1)) {
    const message = `samplesPerShard: expected 1 or more, found ${samplesPerShard}`;
    throw new InvalidArgumentError("samplesPerShard", samplesPerShard, message);
  }
  if (prefix !== undefined && !/^[\w.-]+$/.test(prefix)) {
    const message = `prefix: expected letters, digits, "_", "." and "-", found "${prefix}"`;
    throw new InvalidArgumentError("prefix", prefix, message);
  }
  outputTarget(output);
  checkOutput(output, overwrite);
}

/** Writes a folder of shards and `shards.json`; it appears when all are written. */
export async function writeShardFolder(
  options: ShardFolderOptions,
  content: ShardContent,
): Promise<readonly WrittenShard[]> {
  const { output, samplesPerShard, overwrite = false } = options;
  const target = outputTarget(output);
  sweepLeftovers(target, options.onWarning ?? (() => {}));
  const temporary = createTemporary(target);
  try {
    const extension = { gzip: ".gz", zstd: ".zst", none: "" }[options.compress ?? "none"];
    const pattern = `${options.prefix ?? content.prefix}-%06d.tar${extension}`;
    await using writer = ShardWriter.create(join(temporary, pattern), {
      maxCount: samplesPerShard,
      maxSize: Number.POSITIVE_INFINITY,
    });
    await content.write(writer);
    const shards = (await writer.close()).map((shard) => ({
      ...shard,
      path: join(output, shard.path.slice(temporary.length + 1)),
    }));
    const manifest = {
      format: "scdl-shards",
      version: 1,
      ...content.before,
      shards: shards.map(({ path, samples, dataBytes }) => ({
        name: path.slice(path.lastIndexOf("/") + 1),
        samples,
        dataBytes,
      })),
      ...content.after,
    };
    writeSmallFile(join(temporary, MANIFEST_FILE), Buffer.from(`${pythonJson(manifest)}\n`));
    checkOutput(output, overwrite);
    replaceDirectory(temporary, target);
    return shards;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

function checkOutput(output: string, overwrite: boolean): void {
  if (!existsSync(output)) return;
  const refuse = (message: string, suggestion: string): never => {
    throw new StorageError("already-exists", message, { path: output, suggestions: [suggestion] });
  };
  if (!overwrite) {
    refuse("already exists", "choose another name, or ask to overwrite (--overwrite)");
  }
  const foreign = readdirSync(output).filter((name) => name !== MANIFEST_FILE && !OURS.test(name));
  if (foreign.length > 0) {
    refuse(
      `holds files that are no shards (${foreign.slice(0, 3).join(", ")}), will not be replaced`,
      "move them elsewhere, or choose another name",
    );
  }
}
