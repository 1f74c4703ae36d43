/** Protein sources, training items, tables for fine-tuning, data modules. */

export {
  type BuildProteinsOptions,
  type BuildProteinsProgress,
  type BuiltProteins,
  buildProteins,
} from "./build-proteins.ts";
export type { ClusterSplit } from "./cluster-parquet.ts";
export {
  type ClusterParquetOptions,
  ClusterParquetWriter,
} from "./cluster-parquet-writer.ts";
export { ClusterTable, type ClusterTableOptions } from "./cluster-table.ts";
export { clustersFromArrays, type NamedSequences } from "./clusters-from-arrays.ts";
export {
  ESMMaskedResidueDataset,
  type EsmMaskedResidueOptions,
  type MaskedBatchOptions,
  type RandomMaskStrategy,
} from "./esm-masked-residue-dataset.ts";
export {
  type Esm2Batch,
  Esm2DataModule,
  type Esm2DataModuleOptions,
} from "./esm2-data-module.ts";
export { FastaFile, type FastaFileOptions } from "./fasta-file.ts";
export {
  type FastaIndexReport,
  type FastaProgress,
  type IndexFastaOptions,
  indexFasta,
  type ScanFastaOptions,
} from "./fasta-index.ts";
export { type FastaStats, type FastaStatsOptions, fastaStats } from "./fasta-stats.ts";
export {
  FineTuneDataModule,
  type FineTuneDataModuleOptions,
} from "./fine-tune-data-module.ts";
export {
  type InspectProteinsOptions,
  inspectProteins,
  type ProteinsReport,
} from "./inspect-proteins.ts";
export { type Label, LabelMap } from "./label-map.ts";
export { NamedClusters, type SequencesByName } from "./named-clusters.ts";
export type { PendingFileOptions } from "./pending-file.ts";
export {
  InMemoryPerTokenValueDataset,
  type PerTokenFileOptions,
  type PerTokenOptions,
} from "./per-token-dataset.ts";
export {
  type FineTuneBatch,
  type ProteinBatch,
  type ProteinCollateOptions,
  proteinCollate,
} from "./protein-collate.ts";
export { ProteinDatabase, type ProteinDatabaseOptions } from "./protein-database.ts";
export { ProteinDatabaseWriter } from "./protein-database-writer.ts";
export {
  InMemoryProteinDataset,
  ProteinDataset,
  type ProteinDatasetOptions,
  type ProteinFileOptions,
  type ProteinItem,
} from "./protein-dataset.ts";
export type { ClusteredProteins, ProteinSource } from "./protein-source.ts";
export {
  type GatheredSequences,
  ProteinStore,
  type ProteinStoreOptions,
} from "./protein-store.ts";
export {
  InMemorySingleValueDataset,
  type SingleValueFileOptions,
  type SingleValueOptions,
  type TaskType,
} from "./single-value-dataset.ts";
export type { StoreClusters } from "./store-clusters.ts";
export {
  type WriteProteinShardsOptions,
  type WrittenProteinShards,
  writeProteinShards,
} from "./write-protein-shards.ts";
