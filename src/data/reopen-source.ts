import { InvalidArgumentError, StorageError } from "../../formats/common/errors.ts";
import { DatasetCollection } from "../dataset/dataset-collection.ts";
import { type OpenDatasetOptions, SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { AlignedDataset, type GeneMaps } from "./gene-alignment.ts";
import type { RowSource } from "./row-source.ts";

/** A {@link RowSource} as a message to another thread, which opens the files itself. */
export interface RowSourceSpec {
  readonly directories: readonly string[];
  /** Of each directory. */
  readonly options: readonly OpenDatasetOptions[];
  readonly isCollection: boolean;
  readonly genes: GeneMaps | null;
  readonly identity: string;
}

/** @throws InvalidArgumentError for a source that has no files of its own to open. */
export function describeSource(source: RowSource): RowSourceSpec {
  const { identity } = source;
  if (source instanceof AlignedDataset) {
    return { ...describeSource(source.base), genes: source.maps, identity };
  }
  const members =
    source instanceof DatasetCollection
      ? source.members
      : source instanceof SingleCellDataset
        ? [source]
        : null;
  if (members === null) {
    throw new InvalidArgumentError(
      "dataset",
      source.constructor.name,
      "worker threads open data sets by directory: expected a SingleCellDataset, a DatasetCollection or an AlignedDataset",
      { suggestions: ["use workers: 0"] },
    );
  }
  return {
    directories: members.map(({ directory }) => directory),
    options: members.map(({ reopenOptions }) => reopenOptions),
    isCollection: source instanceof DatasetCollection,
    genes: null,
    identity,
  };
}

/**
 * Opens what {@link describeSource} described.
 * @throws StorageError "file-changed" when the directory holds other files by now.
 */
export async function openSource(spec: RowSourceSpec): Promise<RowSource> {
  const members: SingleCellDataset[] = [];
  for (const [i, directory] of spec.directories.entries()) {
    members.push(await SingleCellDataset.open(directory, spec.options[i]));
  }
  const [first] = members;
  const base = spec.isCollection || first === undefined ? new DatasetCollection(members) : first;
  const source = spec.genes === null ? base : new AlignedDataset(base, spec.genes);
  if (source.identity === spec.identity) return source;
  throw new StorageError("file-changed", "the data set was replaced after it was opened", {
    path: spec.directories.join(", "),
    suggestions: ["open the data set again and make a new loader"],
  });
}
