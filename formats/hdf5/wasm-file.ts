import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import h5wasm, { type Metadata } from "h5wasm/node";
import { FileSource } from "../bytes/file-source.ts";
import { FormatError, UnsupportedFeatureError } from "../common/errors.ts";
import { locateDataset, locateTexts } from "./locate.ts";
import type { AttributeValue, DatasetInfo, Hdf5Values, NodeInfo } from "./protocol.ts";
import type { DatasetStorage } from "./storage.ts";
import { readSuperblock } from "./superblock.ts";
import { TextReader } from "./text-reader.ts";
import { describeType, type H5Module, takeColumn } from "./wasm-values.ts";

/** Attributes are small; larger claims are hostile. */
const MAX_ATTRIBUTE_BYTES = 64 << 20;
/** One read; callers read larger datasets in pieces. */
const MAX_READ_BYTES = 512 << 20;
/** Filters that are inside h5wasm itself; others come from h5wasm-plugins. */
const BUILT_IN_FILTERS: ReadonlySet<number> = new Set([1, 2, 3, 4, 6]);
const PLUGIN_FILTERS: ReadonlySet<number> = new Set([
  307, 32_000, 32_001, 32_004, 32_008, 32_013, 32_015, 32_022, 32_023, 32_026,
]);

let ready: Promise<H5Module> | undefined;

/** The HDF5 library, with exceptions for failed calls: by default they return uninitialised memory. */
function loadModule(): Promise<H5Module> {
  ready ??= h5wasm.ready.then((module) => {
    module.activate_throwing_error_handler();
    const plugins = path.dirname(fileURLToPath(import.meta.resolve("h5wasm-plugins")));
    module.insert_plugin_search_path(path.join(plugins, "plugins"), 0);
    return module;
  });
  return ready;
}

/** One open file in this thread. Everything here may hang or trap on a hostile file. */
export class WasmFile {
  readonly #module: H5Module;
  readonly #fileId: bigint;
  readonly #bytes: FileSource;
  readonly #texts = new Map<string, TextReader | null>();

  private constructor(module: H5Module, fileId: bigint, bytes: FileSource) {
    this.#module = module;
    this.#fileId = fileId;
    this.#bytes = bytes;
  }

  static async open(filePath: string): Promise<WasmFile> {
    const bytes = FileSource.open(filePath);
    try {
      readSuperblock(bytes);
      const module = await loadModule();
      const fileId = module.open(fs.realpathSync(filePath), module.H5F_ACC_RDONLY, false, -1, -1);
      if (fileId < 0n) {
        throw new FormatError("hdf5", "the HDF5 library cannot open the file", { path: filePath });
      }
      return new WasmFile(module, fileId, bytes);
    } catch (error) {
      bytes.close();
      throw error;
    }
  }

  /** @returns null when there is nothing at `nodePath` */
  node(nodePath: string): NodeInfo | null {
    const module = this.#module;
    const type = module.get_type(this.#fileId, nodePath);
    if (type === module.H5G_GROUP) {
      return {
        kind: "group",
        path: nodePath,
        attributes: this.#attributes(nodePath),
        keys: module.get_names(this.#fileId, nodePath, false),
      };
    }
    if (type === module.H5G_DATASET) {
      return {
        kind: "dataset",
        path: nodePath,
        attributes: this.#attributes(nodePath),
        dataset: this.#dataset(nodePath),
      };
    }
    if (type === module.H5G_LINK || type === module.H5G_UDLINK) {
      const description = type === module.H5G_LINK ? "a broken soft link" : "an external link";
      return { kind: "link", path: nodePath, description };
    }
    if (type === module.H5G_TYPE) {
      return { kind: "datatype", path: nodePath, description: "a named datatype" };
    }
    return null;
  }

  #attributes(nodePath: string): Record<string, AttributeValue> {
    const attributes: Record<string, AttributeValue> = {};
    for (const name of this.#module.get_attribute_names(this.#fileId, nodePath)) {
      // defineProperty: a file may name an attribute __proto__.
      Object.defineProperty(attributes, name, {
        value: this.#attribute(nodePath, name),
        enumerable: true,
      });
    }
    return attributes;
  }

  #attribute(nodePath: string, name: string): AttributeValue {
    let metadata: Metadata;
    try {
      metadata = this.#module.get_attribute_metadata(this.#fileId, nodePath, name);
    } catch (error) {
      return { unreadable: firstLine(error) };
    }
    if (metadata.shape === null) return null;
    const type = describeType(metadata);
    if (type.kind === "other") return { unreadable: type.description };
    const byteLength = metadata.size * metadata.total_size;
    if (!(byteLength <= MAX_ATTRIBUTE_BYTES)) return { unreadable: "too large" };
    const module = this.#module;
    const address = module._malloc(Math.max(16, byteLength));
    if (address === 0) return { unreadable: "too large" };
    try {
      module.get_attribute_data(this.#fileId, nodePath, name, BigInt(address));
      const values = takeColumn(
        {
          module,
          fileId: this.#fileId,
          address,
          stride: metadata.size,
          count: metadata.total_size,
          path: `${this.#bytes.path}:${nodePath}@${name}`,
          convertOrder: false,
        },
        metadata,
        null,
      );
      if (metadata.vlen) {
        module.reclaim_vlen_memory(this.#fileId, nodePath, name, BigInt(address));
      }
      return attributeValue(values, metadata.shape.length === 0);
    } catch (error) {
      if (isTrap(error)) throw error;
      return { unreadable: firstLine(error) };
    } finally {
      module._free(address);
    }
  }

  #dataset(nodePath: string): DatasetInfo {
    const metadata = this.#module.get_dataset_metadata(this.#fileId, nodePath);
    const filters = this.#module.get_dataset_filters(this.#fileId, nodePath);
    return {
      type: describeType(metadata),
      shape: metadata.shape,
      chunk: metadata.chunks,
      filters: filters.map(({ id, name, cd_values }) => ({ id, name, values: [...cd_values] })),
      itemBytes: metadata.size,
    };
  }

  read(
    nodePath: string,
    begin: readonly number[],
    end: readonly number[],
    fields: readonly string[] | null,
  ): Hdf5Values {
    const module = this.#module;
    const place = `${this.#bytes.path}:${nodePath}`;
    const metadata = module.get_dataset_metadata(this.#fileId, nodePath);
    const { shape } = metadata;
    if (shape === null) throw new FormatError("wrong-type", "an empty dataset", { path: place });
    if (metadata.virtual_sources !== undefined && metadata.virtual_sources.length > 0) {
      throw new UnsupportedFeatureError("virtual-dataset", `${place}: a virtual dataset`);
    }
    this.#checkFilters(nodePath, place);
    const counts = begin.map((from, axis) => (end[axis] as number) - from);
    const count = counts.reduce((product, n) => product * n, 1);
    if (
      begin.length !== shape.length ||
      begin.some((from, axis) => from < 0 || (end[axis] as number) > (shape[axis] as number)) ||
      counts.some((n) => n < 0)
    ) {
      throw new FormatError("out-of-range", `[${begin}] to [${end}] of [${shape}]`, {
        path: place,
      });
    }
    const byteLength = count * metadata.size;
    if (!(byteLength <= MAX_READ_BYTES)) {
      throw new FormatError("too-large", `${byteLength} bytes in one piece`, { path: place });
    }
    if (metadata.vlen && shape.length === 1) {
      const texts = this.#textsOf(nodePath);
      if (texts !== null) return texts.read(begin[0] ?? 0, end[0] ?? 0);
    }
    const isScalar = shape.length === 0;
    const bigCounts = isScalar ? null : counts.map(BigInt);
    const address = module._malloc(Math.max(16, byteLength));
    if (address === 0) throw new FormatError("too-large", "out of wasm memory", { path: place });
    try {
      if (count > 0) {
        // Zeros where a failed variable-length read would leave wild pointers.
        module.HEAPU8.fill(0, address, address + byteLength);
        module.get_dataset_data(
          this.#fileId,
          nodePath,
          bigCounts,
          isScalar ? null : begin.map(BigInt),
          isScalar ? null : begin.map(() => 1n),
          BigInt(address),
        );
      }
      const values = takeColumn(
        {
          module,
          fileId: this.#fileId,
          address,
          stride: metadata.size,
          count,
          path: place,
          convertOrder: false,
        },
        metadata,
        fields,
      );
      if (count > 0 && holdsPointers(metadata)) {
        if (bigCounts === null) {
          module.reclaim_vlen_memory(this.#fileId, nodePath, "", BigInt(address));
        } else {
          module.reclaim_vlen_memory_count(this.#fileId, nodePath, "", BigInt(address), bigCounts);
        }
      }
      return values;
    } finally {
      module._free(address);
    }
  }

  #checkFilters(nodePath: string, place: string): void {
    for (const { id, name } of this.#module.get_dataset_filters(this.#fileId, nodePath)) {
      if (BUILT_IN_FILTERS.has(id) || PLUGIN_FILTERS.has(id)) continue;
      throw new UnsupportedFeatureError(
        "hdf5-filter",
        `${place}: compressed with HDF5 filter ${id} (${name || "unnamed"}), which is not available`,
        { suggestions: ["rewrite the file with gzip, lzf or zstd compression"] },
      );
    }
  }

  /** @returns bytes of the library's memory */
  close(): number {
    this.#bytes.close();
    this.#module.close_file(this.#fileId);
    return this.#module.HEAPU8.byteLength;
  }

  /** @returns null when the dataset holds no plain numbers */
  locate(nodePath: string): DatasetStorage | null {
    return locateDataset(this.#bytes, this.#headerAddress(nodePath));
  }

  #headerAddress(nodePath: string): number {
    const reference = Uint8Array.from(this.#module.create_object_reference(this.#fileId, nodePath));
    return Number(new DataView(reference.buffer).getBigUint64(0, true));
  }

  /** Null when the library has to read the strings. */
  #textsOf(nodePath: string): TextReader | null {
    let reader = this.#texts.get(nodePath);
    if (reader === undefined) {
      const storage = locateTexts(this.#bytes, this.#headerAddress(nodePath));
      reader = storage === null ? null : TextReader.of(this.#bytes, nodePath, storage);
      this.#texts.set(nodePath, reader);
    }
    return reader;
  }
}

function holdsPointers(metadata: Metadata): boolean {
  return metadata.vlen || (metadata.compound_type?.members.some(({ vlen }) => vlen) ?? false);
}

function attributeValue(values: Hdf5Values, isScalar: boolean): AttributeValue {
  switch (values.kind) {
    case "number":
      return isScalar ? (values.values[0] ?? null) : values.values;
    case "boolean":
      return isScalar ? values.values[0] === 1 : values.values;
    case "string": {
      const text = Buffer.from(values.bytes.buffer);
      const list = Array.from({ length: values.offsets.length - 1 }, (_, i) =>
        text.toString("utf8", values.offsets[i], values.offsets[i + 1]),
      );
      return isScalar ? (list[0] ?? "") : list;
    }
    case "reference":
      return isScalar ? { target: values.paths[0] ?? "" } : values.paths;
    case "compound":
      return { unreadable: "a compound attribute" };
  }
}

/** A trap leaves the wasm instance in an unknown state, unlike an error of the library. */
export function isTrap(error: unknown): boolean {
  return (
    error instanceof RangeError ||
    (error instanceof Error &&
      (error.name === "RuntimeError" || error.message.startsWith("Aborted(")))
  );
}

export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? "";
}
