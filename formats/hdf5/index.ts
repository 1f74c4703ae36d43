/** HDF5: structure through h5wasm in a thread that can be stopped, number data read directly. */
export { ArrayReader } from "./array-reader.ts";
export { FileBytes } from "./file-bytes.ts";
export { canDecode, decodeChunk, type FilterSpec } from "./filters.ts";
export { DEFAULT_TIMEOUT_MS, Hdf5File, type Hdf5FileOptions } from "./hdf5-file.ts";
export { numbersOf } from "./numbers.ts";
export type { ArrayStorage, ChunkedLayout, DatasetLayout, DatasetStorage } from "./storage.ts";
