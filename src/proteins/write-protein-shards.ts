import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { FormatError } from "../../formats/common/errors.ts";
import { Turn } from "../../formats/common/turn.ts";
import { STORE_HEADER } from "../../formats/protein-store/layout.ts";
import { permute } from "../sampling/permute.ts";
import {
  checkShardFolder,
  type ShardFolderOptions,
  writeShardFolder,
} from "../webdataset/shard-folder.ts";
import type { ShardWriter, WrittenShard } from "../webdataset/shard-writer.ts";
import { LoadedProteins } from "./loaded-proteins.ts";
import type { ProteinSource } from "./protein-source.ts";
import { ProteinStore } from "./protein-store.ts";
import { ID_FIELD, SEQUENCE_FIELDS } from "./shard-clusters.ts";

export interface WriteProteinShardsOptions extends ShardFolderOptions {
  /** Write the proteins in the order that `permute` gives for this seed. Default: as stored. */
  readonly shuffleSeed?: number;
}

export interface WrittenProteinShards {
  readonly output: string;
  readonly samples: number;
  readonly shards: readonly WrittenShard[];
  /** Names of the fields of every sample. */
  readonly fields: readonly string[];
}

const FIELDS = [SEQUENCE_FIELDS[0], ID_FIELD];

/** Whether a path means proteins and not cells: a file that is no h5ad, or a folder with a store. */
export function namesProteins(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) return existsSync(join(path, STORE_HEADER));
  return stats !== undefined && !/\.(h5ad|h5|hdf5)$/i.test(path);
}

/**
 * Writes every protein of a store (folder) or of a file that `LoadedProteins.read()` takes as a sample:
 * key = number of its row in ten digits, `sequence.txt`, `id.txt`. A file is read into memory first.
 * @throws as reading them; InvalidArgumentError, StorageError
 */
export async function writeProteinShards(
  path: string,
  options: WriteProteinShardsOptions,
): Promise<WrittenProteinShards> {
  checkShardFolder(options);
  const { signal } = options;
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  using store = isFolder ? ProteinStore.open(path) : null;
  const proteins = store ?? (await LoadedProteins.read(path, { signal }));
  const { length } = proteins;
  if (length === 0) throw new FormatError("empty", "there is no protein in it", { path });
  const shards = await writeShardFolder(options, {
    prefix: "proteins",
    write: (writer) => writeSamples(proteins, writer, options),
    before: { proteins: length, fields: FIELDS },
    after: {},
  });
  return { output: options.output, samples: length, shards, fields: FIELDS };
}

async function writeSamples(
  proteins: ProteinSource,
  writer: ShardWriter,
  { shuffleSeed, signal, onProgress }: WriteProteinShardsOptions,
): Promise<void> {
  const total = proteins.length;
  const turn = new Turn();
  for (let i = 0; i < total; i++) {
    const row = shuffleSeed === undefined || total < 2 ? i : permute(i, total, shuffleSeed);
    await writer.write({
      __key__: String(row).padStart(10, "0"),
      [SEQUENCE_FIELDS[0]]: proteins.sequence(row),
      [ID_FIELD]: proteins.id(row),
    });
    if (!turn.isDue) continue;
    onProgress?.({ samples: i + 1, total });
    await turn.pass(signal);
  }
  onProgress?.({ samples: total, total });
}
