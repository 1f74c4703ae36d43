import { FormatError } from "../../formats/common/errors.ts";
import { describe, type RawDictionary, readDictionary } from "./read-dictionary.ts";

/** Names to Ensembl ids: symbols, aliases, retired ids. */
export type EnsemblMapping = ReadonlyMap<string, string>;

/**
 * Names to Ensembl ids from a pickle (`ensembl_mapping_dict_*.pkl`, `gene_name_id_dict_*.pkl`), JSON
 * or parquet. @throws FormatError "bad-name", naming the key, for a value that is not text.
 */
export async function readEnsemblMapping(path: string): Promise<EnsemblMapping> {
  return asNames(await readDictionary(path), path);
}

/** @throws as {@link readEnsemblMapping} */
export function asNames(entries: RawDictionary, path: string): EnsemblMapping {
  const names = new Map<string, string>();
  for (const [name, id] of entries) {
    if (typeof id !== "string" || id === "") {
      throw new FormatError(
        "bad-name",
        `${JSON.stringify(name)} stands for ${describe(id)}, expected an Ensembl id`,
        { path },
      );
    }
    names.set(name, id);
  }
  return names;
}
