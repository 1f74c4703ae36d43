/**
 * What a pickle may name: the containers of Python's standard library and the three ways numpy
 * stores arrays. Nothing named here runs code of the file's choosing; everything else is refused.
 */
import { UnsupportedFeatureError } from "../common/errors.ts";
import { decodeElements } from "../npy/npy-array.ts";

export interface PickleContext {
  readonly path: string;
  /** Arrays that were announced and whose content has not come yet. */
  readonly unfilled: Set<object>;
}

/** A numpy dtype while the pickle describes it. */
export class PickledDtype {
  readonly code: string;
  byteOrder = "|";

  constructor(code: string) {
    this.code = code;
  }

  get descr(): string {
    return `${this.byteOrder === "=" ? "<" : this.byteOrder}${this.code}`;
  }
}

/** Becomes an NdArray or TextArray in place, since the pickle refers to it before it is filled. */
export class PickledArray {
  dtype = "";
  shape: readonly number[] = [];
  data: unknown = [];
}

/** A name that a pickle may load. */
export class Allowed {
  readonly name: string;
  /** What calling it with these arguments gives; undefined when they are not what it takes. */
  readonly call: (args: readonly unknown[], context: PickleContext) => unknown;

  constructor(name: string, call: Allowed["call"]) {
    this.name = name;
    this.call = call;
  }
}

const NDARRAY = new Allowed("numpy.ndarray", () => undefined);

function reconstruct(args: readonly unknown[], context: PickleContext): unknown {
  if (args[0] !== NDARRAY) return undefined;
  const array = new PickledArray();
  context.unfilled.add(array);
  return array;
}

function fromBuffer(args: readonly unknown[], context: PickleContext): unknown {
  const [bytes, dtype, shape, order] = args;
  const array = new PickledArray();
  return fillArray(array, bytes, dtype, shape, order === "F", context) ? array : undefined;
}

function scalar(args: readonly unknown[], context: PickleContext): unknown {
  const [dtype, bytes] = args;
  if (!(dtype instanceof PickledDtype && bytes instanceof Uint8Array)) return undefined;
  const array = decodeElements(own(bytes), dtype.descr, [], false, context.path);
  const value = array.data[0];
  if (array.dtype === "bool") return value === 1;
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Fills an announced array; false when the parts are not what they should be. */
export function fillArray(
  array: PickledArray,
  bytes: unknown,
  dtype: unknown,
  shape: unknown,
  fortranOrder: boolean,
  context: PickleContext,
): boolean {
  if (!(dtype instanceof PickledDtype) || !isShape(shape)) return false;
  if (/^O/.test(dtype.code)) {
    throw new UnsupportedFeatureError(
      "numpy object array",
      `${context.path}: a pickled numpy object array is refused: its elements are Python objects`,
      { suggestions: ["store numbers or fixed-width text"] },
    );
  }
  if (!(bytes instanceof Uint8Array)) return false;
  Object.assign(array, decodeElements(own(bytes), dtype.descr, shape, fortranOrder, context.path));
  context.unfilled.delete(array);
  return true;
}

function isShape(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((axis) => Number.isSafeInteger(axis) && axis >= 0);
}

/** Aligned memory that no other array shares: two arrays may be pickled from one buffer. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

function makeDtype(args: readonly unknown[]): unknown {
  const [code] = args;
  return typeof code === "string" && /^[A-Za-z]\d{0,9}$/.test(code)
    ? new PickledDtype(code)
    : undefined;
}

function makeSet(args: readonly unknown[]): unknown {
  const [items] = args;
  if (args.length === 0) return new Set();
  return Array.isArray(items) || items instanceof Set ? new Set(items) : undefined;
}

/** Protocols 0 to 2 write bytes as text in which every character is a byte. */
function encodeLatin1(args: readonly unknown[]): unknown {
  const [text, encoding] = args;
  if (typeof text !== "string" || (encoding !== "latin1" && encoding !== "latin-1")) {
    return undefined;
  }
  return new Uint8Array(Buffer.from(text, "latin1"));
}

function makeBytes(args: readonly unknown[]): unknown {
  const [first, second] = args;
  if (args.length === 0) return new Uint8Array(0);
  return second === undefined && first instanceof Uint8Array
    ? first.slice()
    : encodeLatin1([first, second]);
}

function makeDict(args: readonly unknown[]): unknown {
  return args.length === 0 ? new Map() : undefined;
}

const FUNCTIONS: Readonly<Record<string, Allowed["call"]>> = {
  "builtins.set": makeSet,
  "builtins.frozenset": makeSet,
  "builtins.bytes": makeBytes,
  "builtins.bytearray": makeBytes,
  "builtins.dict": makeDict,
  "collections.OrderedDict": makeDict,
  "_codecs.encode": encodeLatin1,
  "numpy.dtype": makeDtype,
  "numpy.core.multiarray._reconstruct": reconstruct,
  "numpy.core.multiarray.scalar": scalar,
  "numpy.core.numeric._frombuffer": fromBuffer,
};

/** @throws UnsupportedFeatureError that names what the pickle wants to load. */
export function allowedGlobal(module: string, name: string, path: string): Allowed {
  const full = `${module}.${name}`;
  // Python 2 and numpy 2 have other names for the same things.
  const usual = full
    .replace(/^__builtin__\./, "builtins.")
    .replace(/^numpy\._core\./, "numpy.core.");
  if (usual === NDARRAY.name) return NDARRAY;
  const call = Object.hasOwn(FUNCTIONS, usual) ? FUNCTIONS[usual] : undefined;
  if (call !== undefined) return new Allowed(full, call);
  throw new UnsupportedFeatureError(
    `pickled ${full}`,
    `${path}: the pickle loads ${JSON.stringify(full)}, which is refused: loading it could run code`,
    {
      suggestions: [
        "only numbers, text, bytes, lists, tuples, dicts, sets and numpy arrays are read from pickles",
        "store the payload as .npy, .json or .msgpack instead",
      ],
    },
  );
}
