/** The entry `scdl/testing`: what tests of your own data sets and models assert. Needs no test framework. */

import "../require-node.ts";

export {
  assertDatasetDeterministic,
  assertDatasetElementsNotEqual,
  DatasetDistributedNondeterministic,
  type DatasetIndex,
  DatasetLocallyNondeterministic,
  type IndexedDataset,
} from "./dataset-assertions.ts";
export { assertElementsEqual } from "./elements-equal.ts";
export { assertStopAndGo, type StopAndGoOptions, type StopAndGoRun } from "./stop-and-go.ts";
