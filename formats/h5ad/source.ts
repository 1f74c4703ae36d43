import type { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";
import { ArrayReader } from "../hdf5/array-reader.ts";
import type { Hdf5File } from "../hdf5/hdf5-file.ts";
import type { AttributeValue, DatasetInfo, NodeInfo } from "../hdf5/protocol.ts";
import { asArrayStorage, type DatasetStorage } from "../hdf5/storage.ts";

/** One element past this ratio of claimed to stored bytes, a small file is lying about its size. */
const MAX_EXPANSION = 100_000;
/** Claims below this many bytes are never questioned. */
const ALWAYS_PLAUSIBLE_BYTES = 64 << 20;

const WRITE_AGAIN: readonly string[] = ["write the file again with the program that made it"];

/** Attributes that decide how an element is read. */
const READ_ATTRIBUTES = [
  "encoding-type",
  "shape",
  "h5sparse_format",
  "h5sparse_shape",
  "_index",
  "column-order",
  "categories",
  "ordered",
];

export type GroupNode = Extract<NodeInfo, { kind: "group" }>;
export type DatasetNode = Extract<NodeInfo, { kind: "dataset" }>;

/** The HDF5 library and the file's bytes, together with checks that every reader needs. */
export class Source {
  readonly path: string;
  readonly hdf5: Hdf5File;
  readonly bytes: FileSource;

  constructor(hdf5: Hdf5File, bytes: FileSource) {
    this.path = bytes.path;
    this.hdf5 = hdf5;
    this.bytes = bytes;
  }

  error(code: string, message: string, suggestions = WRITE_AGAIN): FormatError {
    return new FormatError(code, message, { path: this.path, suggestions });
  }

  /** A group or dataset; null when there is nothing. */
  async find(path: string): Promise<GroupNode | DatasetNode | null> {
    const node = await this.hdf5.node(path);
    if (node === null) return null;
    if (node.kind === "group" || node.kind === "dataset") {
      this.#checkAttributes(node);
      return node;
    }
    throw this.error("wrong-type", `${path} is ${node.description}, expected a group or dataset`);
  }

  /** An attribute that cannot be read is not the same as one that is not there. */
  #checkAttributes(node: GroupNode | DatasetNode): void {
    for (const name of READ_ATTRIBUTES) {
      const value = attribute(node, name);
      if (typeof value === "object" && value !== null && "unreadable" in value) {
        throw this.error(
          "bad-attribute",
          `attribute ${name} of ${node.path} cannot be read: ${value.unreadable}`,
        );
      }
    }
  }

  async get(path: string): Promise<GroupNode | DatasetNode> {
    const node = await this.find(path);
    if (node !== null) return node;
    // The library decodes any bytes to some text; a name that was not UTF-8 leads nowhere then.
    const slash = path.lastIndexOf("/");
    const parent = await this.hdf5.node(path.slice(0, slash) || "/");
    if (parent?.kind === "group" && parent.keys.includes(path.slice(slash + 1))) {
      const shown = path.toWellFormed();
      throw this.error("bad-name", `${shown} is listed but not found: its name is not UTF-8`);
    }
    throw this.error("missing-member", `${path} is missing`);
  }

  async group(path: string): Promise<GroupNode> {
    const node = await this.get(path);
    if (node.kind !== "group") {
      throw this.error("wrong-type", `${path} is a dataset, expected a group`);
    }
    return node;
  }

  async dataset(path: string): Promise<DatasetNode> {
    const node = await this.get(path);
    if (node.kind !== "dataset") {
      throw this.error("wrong-type", `${path} is a group, expected a dataset`);
    }
    this.checkPlausible(path, node.dataset);
    return node;
  }

  /** A dataset with exactly one axis. */
  async vector(path: string): Promise<DatasetNode & { readonly length: number }> {
    const node = await this.dataset(path);
    const shape = node.dataset.shape;
    if (shape === null || shape.length !== 1) {
      const found = shape === null ? "no data" : `shape [${shape}]`;
      throw this.error("wrong-shape", `${path} has ${found}, expected one axis`);
    }
    return { ...node, length: shape[0] as number };
  }

  /** Refuses sizes that a file of this length cannot hold, before anything is allocated. */
  checkPlausible(path: string, dataset: DatasetInfo): void {
    const elements = (dataset.shape ?? []).reduce((product, length) => product * length, 1);
    const claimed = elements * dataset.itemBytes;
    const limit =
      dataset.chunk === null ? this.bytes.byteLength : this.bytes.byteLength * MAX_EXPANSION;
    if (!(claimed <= Math.max(limit, ALWAYS_PLAUSIBLE_BYTES))) {
      throw this.error(
        "implausible-size",
        `${path} claims ${claimed} bytes in a file of ${this.bytes.byteLength}`,
      );
    }
  }

  /** Where a dataset's bytes lie, or an opaque layout that the HDF5 library has to read. */
  async storageOf(path: string): Promise<DatasetStorage> {
    const { dataset } = await this.dataset(path);
    const located = await this.hdf5.locate(path);
    const { type } = dataset;
    // numpy's bool is an HDF5 enum of int8.
    if (located !== null) return type.kind === "boolean" ? { ...located, dtype: "uint8" } : located;
    const dtype = type.kind === "number" ? type.dtype : type.kind === "boolean" ? "uint8" : null;
    if (dtype === null) {
      throw this.error("wrong-type", `${path} holds ${describe(dataset)}, expected numbers`);
    }
    const reason = "a number type or header that only the HDF5 library reads";
    return {
      dtype,
      littleEndian: true,
      shape: dataset.shape ?? [],
      layout: { kind: "opaque", reason },
    };
  }

  /** A reader of a one-dimensional number dataset. */
  async numbers(path: string): Promise<ArrayReader> {
    await this.vector(path);
    return new ArrayReader(this.hdf5, this.bytes, path, asArrayStorage(await this.storageOf(path)));
  }
}

export function describe(dataset: DatasetInfo): string {
  const { type } = dataset;
  return type.kind === "other" ? type.description : `values of kind ${type.kind}`;
}

/** A text attribute; undefined when absent or something else. */
export function textAttribute(node: GroupNode | DatasetNode, name: string): string | undefined {
  const value = attribute(node, name);
  return typeof value === "string" ? value : undefined;
}

export function attribute(node: GroupNode | DatasetNode, name: string): AttributeValue | undefined {
  return Object.hasOwn(node.attributes, name) ? node.attributes[name] : undefined;
}

/** A list of texts; an empty list of any type counts (h5py writes it as float64). */
export function textListAttribute(
  node: GroupNode | DatasetNode,
  name: string,
): readonly string[] | undefined {
  const value = attribute(node, name);
  if (Array.isArray(value)) return value;
  if (ArrayBuffer.isView(value) && value.byteLength === 0) return [];
  if (value === null) return [];
  return undefined;
}

/** Joins a group's path and a member's name. */
export function join(group: string, name: string): string {
  return group === "/" ? `/${name}` : `${group}/${name}`;
}
