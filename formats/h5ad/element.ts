import type { DType, NumericArray } from "../common/dtype.ts";
import { allocate } from "../common/dtype.ts";
import { setNumbers } from "../hdf5/array-reader.ts";
import type { Hdf5Type, Hdf5Values } from "../hdf5/protocol.ts";
import { FrameReader } from "./frame.ts";
import { MatrixReader, sparseEncoding } from "./matrix.ts";
import {
  attribute,
  type DatasetNode,
  describe,
  type GroupNode,
  join,
  type Source,
  textAttribute,
} from "./source.ts";

/** Numbers of any shape, row-major. float16 comes widened to float32. */
export interface NumberTensor {
  readonly kind: "numbers";
  readonly dtype: DType | "bool";
  readonly shape: readonly number[];
  readonly values: NumericArray;
}

/** Texts of any shape, row-major. */
export interface TextTensor {
  readonly kind: "texts";
  readonly shape: readonly number[];
  readonly values: readonly string[];
}

/** A numpy record array: one tensor per field, all of the same first length. */
export interface RecordTensor {
  readonly kind: "records";
  readonly length: number;
  readonly fields: ReadonlyMap<string, NumberTensor | TextTensor>;
}

export interface CategoricalValues {
  readonly kind: "categorical";
  /** -1 where the value is missing. */
  readonly codes: NumericArray;
  readonly categories: NumberTensor | TextTensor;
  readonly ordered: boolean;
}

/** A pandas nullable array; `missing` has 1 where there is no value. */
export interface NullableValues {
  readonly kind: "nullable";
  readonly values: NumberTensor | TextTensor;
  readonly missing: NumericArray;
}

/** Something this package does not read, e.g. an awkward array. */
export interface UnreadElement {
  readonly kind: "unread";
  readonly path: string;
  readonly reason: string;
}

export type Scalar = string | number | bigint | boolean | null;

/** A value of uns, obsm or varm. Dicts are Maps; matrices and data frames stay lazy. */
export type Element =
  | Scalar
  | NumberTensor
  | TextTensor
  | RecordTensor
  | CategoricalValues
  | NullableValues
  | UnreadElement
  | MatrixReader
  | FrameReader
  | ElementMap;
export interface ElementMap extends ReadonlyMap<string, Element> {}

/** A group may contain itself; real files stay far below both. */
const MAX_DEPTH = 32;
const MAX_ELEMENTS = 100_000;

/** Reads elements of one file; counts them so that no group structure can go on for ever. */
export class ElementReader {
  readonly #source: Source;
  #count = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  async read(path: string, depth = 0): Promise<Element> {
    this.#count++;
    if (depth > MAX_DEPTH || this.#count > MAX_ELEMENTS) {
      throw this.#source.error("too-deep", `${path}: more nesting than any AnnData file has`);
    }
    const node = await this.#source.get(path);
    return node.kind === "dataset" ? this.#dataset(node) : this.#group(node, depth);
  }

  async #group(node: GroupNode, depth: number): Promise<Element> {
    if (sparseEncoding(node) !== null) return MatrixReader.open(this.#source, node);
    const encoding = textAttribute(node, "encoding-type");
    switch (encoding) {
      case "dataframe":
        return FrameReader.open(this.#source, node, null);
      case "categorical":
        return this.#categorical(node);
      case "nullable-integer":
      case "nullable-boolean":
      case "nullable-string-array":
        return this.#nullable(node);
      case undefined:
      case "dict":
      case "raw":
      case "anndata": {
        const members = new Map<string, Element>();
        for (const key of node.keys) {
          members.set(key, await this.read(join(node.path, key), depth + 1));
        }
        return members;
      }
      default:
        return { kind: "unread", path: node.path, reason: `encoding ${encoding}` };
    }
  }

  async #categorical(node: GroupNode): Promise<Element> {
    const codes = await this.#tensor(join(node.path, "codes"));
    const categories = await this.#tensor(join(node.path, "categories"));
    if (codes.kind !== "numbers") {
      throw this.#source.error("wrong-type", `the codes of ${node.path} are not numbers`);
    }
    const ordered = attribute(node, "ordered");
    return {
      kind: "categorical",
      codes: codes.values,
      categories,
      ordered: ordered === true || ordered === 1,
    };
  }

  async #nullable(node: GroupNode): Promise<Element> {
    const values = await this.#tensor(join(node.path, "values"));
    const mask = await this.#tensor(join(node.path, "mask"));
    if (mask.kind !== "numbers") {
      throw this.#source.error("wrong-type", `the mask of ${node.path} is not one`);
    }
    return { kind: "nullable", values, missing: mask.values };
  }

  async #tensor(path: string): Promise<NumberTensor | TextTensor> {
    const element = await this.read(path, 1);
    const isTensor =
      typeof element === "object" &&
      element !== null &&
      "kind" in element &&
      (element.kind === "numbers" || element.kind === "texts");
    if (!isTensor) throw this.#source.error("wrong-type", `${path} is not an array`);
    return element;
  }

  async #dataset(node: DatasetNode): Promise<Element> {
    const { shape, type } = node.dataset;
    if (shape === null) return null;
    this.#source.checkPlausible(node.path, node.dataset);
    if (type.kind === "other" || type.kind === "reference") {
      return { kind: "unread", path: node.path, reason: describe(node.dataset) };
    }
    if (type.kind === "compound" && type.members.some((member) => member.type.kind === "other")) {
      return { kind: "unread", path: node.path, reason: "a record with members of unknown type" };
    }
    const values = await readWhole(this.#source, node.path, type, shape);
    if (shape.length === 0) return scalarOf(values, type, shape);
    // anndata below 0.7 wrote single texts as arrays of one fixed-length string.
    const isOldText =
      type.kind === "string" &&
      !type.variable &&
      attribute(node, "encoding-type") === undefined &&
      shape.length === 1 &&
      shape[0] === 1;
    return isOldText ? scalarOf(values, type, []) : tensorOf(this.#source, values, type, shape);
  }
}

/** Elements per request to the HDF5 thread; keeps its memory small. */
const READ_BYTES = 64 << 20;

async function readWhole(
  source: Source,
  path: string,
  type: Hdf5Type,
  shape: readonly number[],
): Promise<Hdf5Values> {
  const [rows = 1, ...rest] = shape;
  const rowBytes = 8 * rest.reduce((product, length) => product * length, 1);
  const step = Math.max(1, Math.floor(READ_BYTES / Math.max(1, rowBytes)));
  if (type.kind !== "number" || shape.length === 0 || rows <= step) {
    return source.hdf5.read(
      path,
      shape.map(() => 0),
      shape,
    );
  }
  const target = allocate(
    type.dtype,
    shape.reduce((product, length) => product * length, 1),
  );
  let at = 0;
  for (let row = 0; row < rows; row += step) {
    const begin = [row, ...rest.map(() => 0)];
    const part = await source.hdf5.read(path, begin, [Math.min(rows, row + step), ...rest]);
    if (part.kind !== "number") throw source.error("wrong-type", `${path} is not numbers`);
    setNumbers(target, part.values, at);
    at += part.values.length;
  }
  return { kind: "number", dtype: type.dtype, values: target };
}

/** All texts of a column that crossed the thread boundary. */
export function textsOf(values: Extract<Hdf5Values, { kind: "string" }>): string[] {
  const text = Buffer.from(values.bytes.buffer, values.bytes.byteOffset, values.bytes.byteLength);
  const { offsets } = values;
  return Array.from({ length: offsets.length - 1 }, (_, i) =>
    text.toString("utf8", offsets[i], offsets[i + 1]),
  );
}

function plainTensor(
  source: Source,
  values: Hdf5Values,
  shape: readonly number[],
): NumberTensor | TextTensor {
  switch (values.kind) {
    case "number":
      return { kind: "numbers", dtype: values.dtype, shape, values: values.values };
    case "boolean":
      return { kind: "numbers", dtype: "bool", shape, values: values.values };
    case "string":
      return { kind: "texts", shape, values: textsOf(values) };
    default:
      throw source.error("wrong-type", `an array of ${values.kind}s`);
  }
}

function tensorOf(
  source: Source,
  values: Hdf5Values,
  type: Hdf5Type,
  shape: readonly number[],
): NumberTensor | TextTensor | RecordTensor {
  if (values.kind === "compound") {
    const members = type.kind === "compound" ? type.members : [];
    return {
      kind: "records",
      length: values.length,
      fields: fieldsOf(source, values, members, shape),
    };
  }
  const inner = type.kind === "array" ? type.dims : [];
  return plainTensor(source, values, [...shape, ...inner]);
}

/** The members of a compound dataset by name, each with the dataset's shape and its own. */
export function fieldsOf(
  source: Source,
  values: Extract<Hdf5Values, { kind: "compound" }>,
  members: readonly { readonly name: string; readonly type: Hdf5Type }[],
  shape: readonly number[],
): Map<string, NumberTensor | TextTensor> {
  const fields = new Map<string, NumberTensor | TextTensor>();
  for (const field of values.fields) {
    const type = members.find(({ name }) => name === field.name)?.type;
    const inner = type?.kind === "array" ? type.dims : [];
    fields.set(field.name, plainTensor(source, field.values, [...shape, ...inner]));
  }
  return fields;
}

function scalarOf(values: Hdf5Values, type: Hdf5Type, shape: readonly number[]): Element {
  switch (values.kind) {
    case "number":
      if (type.kind === "array") {
        return { kind: "numbers", dtype: values.dtype, shape: type.dims, values: values.values };
      }
      return values.values[0] ?? null;
    case "boolean":
      return values.values[0] === 1;
    case "string":
      return textsOf(values)[0] ?? "";
    case "compound": {
      const record = new Map<string, Element>();
      const members = type.kind === "compound" ? type.members : [];
      for (const field of values.fields) {
        const inner = members.find(({ name }) => name === field.name)?.type ?? type;
        record.set(field.name, scalarOf(field.values, inner, shape));
      }
      return record;
    }
    case "reference":
      return values.paths[0] ?? null;
  }
}
