/** The built package, which is what users run: stripping types takes time and memory of its own. */
const entry = new URL("../../dist/src/index.js", import.meta.url).href;
const built: typeof import("../../src/index.ts") = await import(entry);

export const {
  AMINO_ACID_IDS,
  BlockShuffledSampler,
  clustersFromArrays,
  defaultRng,
  ESM_TOKENS,
  ESMMaskedResidueDataset,
  FastaFile,
  FastaReader,
  H5adFile,
  indexFasta,
  ItemLoader,
  Loader,
  openCommunicator,
  ProteinDatabase,
  ProteinDatabaseWriter,
  ProteinStore,
  ProteinStoreWriter,
  SequentialSampler,
  ShuffledSampler,
  SingleCellDataset,
} = built;
