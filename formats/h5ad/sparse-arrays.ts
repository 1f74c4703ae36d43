import type { NumericArray } from "../common/dtype.ts";
import type { ArrayReader } from "../hdf5/array-reader.ts";
import type { Source } from "./source.ts";

/** The three arrays of a compressed sparse matrix with their checks, whichever axis is major. */
export class SparseArrays {
  readonly source: Source;
  readonly path: string;
  readonly nMajor: number;
  readonly nMinor: number;
  /** The last row pointer; `data` and `indices` have at least as many elements. */
  readonly nnz: number;
  readonly data: ArrayReader;
  readonly indices: ArrayReader;
  readonly #indptr: ArrayReader;

  private constructor(
    source: Source,
    path: string,
    nMajor: number,
    nMinor: number,
    nnz: number,
    arrays: { data: ArrayReader; indices: ArrayReader; indptr: ArrayReader },
  ) {
    this.source = source;
    this.path = path;
    this.nMajor = nMajor;
    this.nMinor = nMinor;
    this.nnz = nnz;
    this.data = arrays.data;
    this.indices = arrays.indices;
    this.#indptr = arrays.indptr;
  }

  static async open(
    source: Source,
    path: string,
    nMajor: number,
    nMinor: number,
  ): Promise<SparseArrays> {
    const data = await source.numbers(`${path}/data`);
    const indices = await source.numbers(`${path}/indices`);
    const indptr = await source.numbers(`${path}/indptr`);
    if (indptr.length !== nMajor + 1) {
      throw source.error(
        "bad-indptr",
        `${path}/indptr has ${indptr.length} elements, expected ${nMajor + 1}`,
      );
    }
    for (const { path: name, dtype } of [indices, indptr]) {
      if (dtype.startsWith("float")) {
        throw source.error("wrong-type", `${name} holds ${dtype}, expected integers`);
      }
    }
    const nnz = Number((await indptr.read(nMajor, nMajor + 1))[0]);
    if (!(nnz >= 0) || nnz > data.length || nnz > indices.length) {
      throw source.error(
        "bad-indptr",
        `${path}/indptr ends at ${nnz}, there are ${data.length} values and ${indices.length} indices`,
      );
    }
    return new SparseArrays(source, path, nMajor, nMinor, nnz, { data, indices, indptr });
  }

  /** Pointers of major rows [begin, end], end included: absolute, ascending, at most nnz. */
  async pointers(begin: number, end: number): Promise<Float64Array> {
    const raw = await this.#indptr.read(begin, end + 1);
    const pointers = new Float64Array(raw.length);
    // 64-bit integers up to 2^53 are exact here; larger ones fail the check against nnz.
    for (let i = 0; i < raw.length; i++) pointers[i] = Number(raw[i]);
    let last = 0;
    for (let i = 0; i < pointers.length; i++) {
      const pointer = pointers[i] as number;
      if (!(pointer >= last) || pointer > this.nnz || (begin + i === 0 && pointer !== 0)) {
        throw this.source.error(
          "bad-indptr",
          `${this.path}/indptr[${begin + i}] is ${pointer}, expected ${begin + i === 0 ? 0 : `${last} to ${this.nnz}`}`,
        );
      }
      last = pointer;
    }
    return pointers;
  }

  /** Minor indices [begin, end), each checked to be below nMinor. */
  async minorIndices(begin: number, end: number): Promise<Uint32Array> {
    const raw = await this.indices.read(begin, end);
    return this.checkIndices(raw, begin);
  }

  checkIndices(raw: NumericArray, begin: number): Uint32Array {
    const { nMinor } = this;
    const out =
      raw instanceof Uint32Array
        ? raw
        : raw instanceof Int32Array
          ? new Uint32Array(raw.buffer, raw.byteOffset, raw.length)
          : widen(raw);
    // A negative int32 seen as uint32 is above any number of columns; widen() maps bad ones to 2^32-1.
    for (let i = 0; i < out.length; i++) {
      if ((out[i] as number) >= nMinor) {
        throw this.source.error(
          "bad-index",
          `${this.path}/indices[${begin + i}] is ${raw[i]}, expected 0 to ${nMinor - 1}`,
        );
      }
    }
    return out;
  }
}

function widen(raw: NumericArray): Uint32Array {
  const out = new Uint32Array(raw.length);
  if (raw instanceof BigInt64Array || raw instanceof BigUint64Array) {
    // Two 32-bit halves: 15x as fast as converting each bigint.
    const halves = new Uint32Array(raw.buffer, raw.byteOffset, raw.length * 2);
    for (let i = 0; i < out.length; i++) {
      out[i] = halves[2 * i + 1] === 0 ? (halves[2 * i] as number) : 0xffff_ffff;
    }
    return out;
  }
  for (let i = 0; i < out.length; i++) {
    const value = raw[i] as number;
    out[i] = value >= 0 && value < 0xffff_ffff ? value : 0xffff_ffff;
  }
  return out;
}
