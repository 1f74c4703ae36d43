import {
  allocate,
  type IndexArray,
  type NumericArray,
  type ScdlDType,
  type UnsignedDType,
} from "../../formats/common/dtype.ts";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { MatrixData } from "../../formats/csr/csr-matrix.ts";

/** Caller-owned arrays that rows are gathered into; only the counted front part is written. */
export interface GatherTarget {
  /** At least nnz values. */
  readonly data: MatrixData;
  /** At least nnz column numbers. */
  readonly indices: IndexArray;
  /** At least rows + 1. */
  readonly indptr: Float64Array;
}

export interface GatherCounts {
  readonly rows: number;
  readonly nnz: number;
}

/** Element types on disk of a data set, or the common ones of several. */
export interface MatrixDTypes {
  readonly data: ScdlDType;
  readonly indices: UnsignedDType;
}

/** Growth beyond what is asked, so that batches of varying size settle after a few. */
const GROWTH = 1.25;

/**
 * Buffers that grow when a batch needs more and are otherwise reused: after the first few batches
 * nothing is allocated. Arrays are replaced when they grow, so read them after each gather.
 */
export class GatherBuffers implements GatherTarget {
  readonly dtypes: MatrixDTypes;
  #data: MatrixData;
  #indices: IndexArray;
  #indptr: Float64Array;

  constructor(dtypes: MatrixDTypes, capacity: Partial<GatherCounts> = {}) {
    this.dtypes = dtypes;
    this.#data = allocate(dtypes.data, capacity.nnz ?? 0);
    this.#indices = allocateIndices(dtypes.indices, capacity.nnz ?? 0);
    this.#indptr = new Float64Array((capacity.rows ?? 0) + 1);
  }

  get data(): MatrixData {
    return this.#data;
  }

  get indices(): IndexArray {
    return this.#indices;
  }

  get indptr(): Float64Array {
    return this.#indptr;
  }

  /**
   * Takes the memory away, to be given back by {@link adopt}, perhaps in another thread. Arrays
   * read from here before have length 0 from now on.
   */
  release(): ArrayBuffer[] {
    const memory = [this.#data, this.#indices, this.#indptr].map(({ buffer }) => {
      // Arrays are made here or over ArrayBuffers given to adopt(), never over shared memory.
      return (buffer as ArrayBuffer).transfer();
    });
    this.adopt([]);
    return memory;
  }

  /** Goes on in memory that {@link release} gave, of buffers with the same element types. */
  adopt(memory: readonly ArrayBuffer[]): void {
    const [data, indices, indptr] = memory;
    this.#data = over(allocate(this.dtypes.data, 0), data);
    this.#indices = over(allocateIndices(this.dtypes.indices, 0), indices);
    this.#indptr = over(new Float64Array(0), indptr);
  }

  /** Makes room; the content is lost when an array must grow. */
  reserve(rows: number, nnz: number): void {
    if (this.#indptr.length < rows + 1) this.#indptr = new Float64Array(rows + 1);
    if (this.#data.length < nnz) {
      const room = Math.ceil(nnz * GROWTH);
      this.#data = allocate(this.dtypes.data, room);
      this.#indices = allocateIndices(this.dtypes.indices, room);
    }
  }
}

/** An array like `example` over the whole of `memory`. */
function over<A extends NumericArray>(example: A, memory = new ArrayBuffer(0)): A {
  const create = example.constructor as new (buffer: ArrayBuffer) => A;
  return new create(memory);
}

/** Column numbers in memory: uint64 columns are narrowed to uint32, checked as they are read. */
export function allocateIndices(dtype: UnsignedDType, length: number): IndexArray {
  return allocate(dtype === "uint64" ? "uint32" : dtype, length);
}

/** @throws InvalidArgumentError naming the capacity that is needed. */
export function assertCapacity(out: GatherTarget, rows: number, nnz: number): void {
  if (out.indptr.length < rows + 1) {
    throw tooSmall("out.indptr", out.indptr.length, rows + 1, `${rows} rows`);
  }
  if (out.data.length < nnz) throw tooSmall("out.data", out.data.length, nnz, `${rows} rows`);
  if (out.indices.length < nnz) {
    throw tooSmall("out.indices", out.indices.length, nnz, `${rows} rows`);
  }
}

function tooSmall(argument: string, found: number, expected: number, of: string) {
  return new InvalidArgumentError(
    argument,
    found,
    `${argument} has room for ${found} elements, ${expected} are needed for ${of}`,
    { suggestions: ["use GatherBuffers, which grow", "ask gatherCapacity(rows) first"] },
  );
}

type ArrayName =
  | "Uint8Array"
  | "Uint16Array"
  | "Uint32Array"
  | "BigUint64Array"
  | "Float32Array"
  | "Float64Array";

/** Arrays that hold every value of a type exactly. */
const HOLDS: Readonly<Record<ScdlDType, readonly ArrayName[]>> = {
  uint8: [
    "Uint8Array",
    "Uint16Array",
    "Uint32Array",
    "BigUint64Array",
    "Float32Array",
    "Float64Array",
  ],
  uint16: ["Uint16Array", "Uint32Array", "BigUint64Array", "Float32Array", "Float64Array"],
  uint32: ["Uint32Array", "BigUint64Array", "Float64Array"],
  uint64: ["BigUint64Array"],
  float16: ["Float32Array", "Float64Array"],
  float32: ["Float32Array", "Float64Array"],
  float64: ["Float64Array"],
};

/** @throws InvalidArgumentError when `target` cannot hold every value of `dtype` exactly. */
export function assertHolds(
  argument: string,
  target: MatrixData | IndexArray,
  dtype: ScdlDType,
): void {
  const names = HOLDS[dtype];
  const found = target.constructor.name;
  if ((names as readonly string[]).includes(found)) return;
  throw new InvalidArgumentError(
    argument,
    found,
    `${argument} is a ${found}, expected ${names.join(" or ")} for values stored as ${dtype}`,
  );
}

/** @throws InvalidArgumentError when `target` cannot hold column numbers stored as `dtype`. */
export function assertHoldsColumns(target: IndexArray, dtype: UnsignedDType): void {
  assertHolds("out.indices", target, dtype === "uint64" ? "uint32" : dtype);
}
