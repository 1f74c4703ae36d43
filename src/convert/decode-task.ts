/**
 * One unit of the parallel conversion: a run of whole chunks of one stored array, read, decoded,
 * cast, checked and written at its final place in the output. Runs in any thread.
 */
import fs from "node:fs";
import zlib from "node:zlib";
import { FileSource } from "../../formats/bytes/file-source.ts";
import { castKernel } from "../../formats/common/cast.ts";
import {
  type DType,
  itemBytes,
  type NumericArray,
  type ScdlDType,
  type UnsignedDType,
} from "../../formats/common/dtype.ts";
import { fromFsError } from "../../formats/common/errors.ts";
import { numbersOf } from "../../formats/common/numbers.ts";
import { decodeChunk, type FilterSpec, freeChunk } from "../../formats/hdf5/filters.ts";
import { castIndices } from "./cast-indices.ts";

/** What all tasks of one array of one file share. */
export interface ArrayJob {
  readonly role: "data" | "indices";
  /** The h5ad file. */
  readonly path: string;
  readonly from: DType;
  readonly littleEndian: boolean;
  readonly filters: readonly FilterSpec[];
  /** Elements of a chunk; the length of a task for contiguous storage. */
  readonly chunkLength: number;
  readonly to: ScdlDType;
  readonly output: string;
  /** Element of the output where this array begins. */
  readonly outputBegin: number;
  readonly nVars: number;
  readonly tolerance: number;
  /** Count lossy values instead of stopping at the first. */
  readonly allowLossy: boolean;
}

/** Elements [begin, begin + count) of the array; chunks in order, each `chunkLength` long. */
export interface DecodeTask {
  readonly begin: number;
  readonly count: number;
  readonly addresses: Float64Array;
  readonly sizes: Uint32Array;
  readonly masks: Uint32Array;
}

export interface TaskResult {
  /** Of the bytes written. */
  readonly crc32: number;
  readonly bytes: number;
  /** First value that does not fit, as an element of the whole array. */
  readonly bad: { readonly element: number; readonly value: number | bigint } | null;
  /** Over the values of this task, when `allowLossy` and something was lost. */
  readonly maxAbsDiff: number;
}

/** Buffers and open files of one thread, kept between tasks. */
export class Decoder {
  readonly #inputs = new Map<string, FileSource>();
  readonly #outputs = new Map<string, number>();
  #raw: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #source: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #target: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  run(job: ArrayJob, task: DecodeTask): TaskResult {
    const source = numbersOf(this.#read(job, task), job.from, job.littleEndian);
    const { bytes, bad, maxAbsDiff } = this.#cast(job, source, task);
    const itemSize = itemBytes(job.to);
    const mustStop = bad !== null && (job.role === "indices" || !job.allowLossy);
    if (!mustStop) this.#write(job.output, bytes, (job.outputBegin + task.begin) * itemSize);
    return { crc32: zlib.crc32(bytes), bytes: bytes.byteLength, bad, maxAbsDiff };
  }

  close(): void {
    for (const input of this.#inputs.values()) input.close();
    this.#inputs.clear();
    for (const descriptor of this.#outputs.values()) fs.closeSync(descriptor);
    this.#outputs.clear();
  }

  /** The stored elements of the task, decoded, in file byte order; valid until the next task. */
  #read(job: ArrayJob, task: DecodeTask): Uint8Array<ArrayBuffer> {
    const item = itemBytes(job.from);
    const input = this.#input(job.path);
    this.#source = ensure(this.#source, task.count * item);
    const source = this.#source.subarray(0, task.count * item);
    for (let chunk = 0; chunk < task.addresses.length; chunk++) {
      const at = chunk * job.chunkLength * item;
      const place = source.subarray(at, Math.min(source.length, at + job.chunkLength * item));
      const address = task.addresses[chunk] as number; // proof: chunk < addresses.length
      const size = task.sizes[chunk] as number; // proof: sizes is as long as addresses
      if (job.filters.length === 0) {
        input.readInto(address, place);
        continue;
      }
      this.#raw = ensure(this.#raw, size);
      const raw = this.#raw.subarray(0, size);
      input.readInto(address, raw);
      const mask = task.masks[chunk] as number; // proof: masks is as long as addresses
      const expected = job.chunkLength * item;
      const decoded = decodeChunk(raw, job.filters, mask, item, expected, job.path);
      place.set(decoded.length === place.length ? decoded : decoded.subarray(0, place.length));
      if (decoded.buffer !== raw.buffer) freeChunk(decoded);
    }
    return source;
  }

  #cast(
    job: ArrayJob,
    source: NumericArray,
    task: DecodeTask,
  ): Pick<TaskResult, "bad" | "maxAbsDiff"> & { readonly bytes: Uint8Array } {
    if (job.role === "data" && job.from === job.to && job.from !== "float16") {
      const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
      return { bytes, bad: null, maxAbsDiff: 0 };
    }
    const byteLength = task.count * itemBytes(job.to);
    this.#target = ensure(this.#target, byteLength);
    const bytes = this.#target.subarray(0, byteLength);
    const first =
      job.role === "indices"
        ? castIndices(source, bytes, unsigned(job.to), job.nVars)
        : castKernel(job.from, job.to, { tolerance: job.tolerance })(source, bytes);
    if (first < 0) return { bytes, bad: null, maxAbsDiff: 0 };
    const value = source[first] as number | bigint; // proof: first is an index of source
    const maxAbsDiff =
      job.role === "data" && job.allowLossy ? largestDifference(source, bytes, job.to) : 0;
    return { bytes, bad: { element: task.begin + first, value }, maxAbsDiff };
  }

  #write(output: string, bytes: Uint8Array, position: number): void {
    const descriptor = this.#output(output);
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        done += fs.writeSync(descriptor, bytes, done, bytes.byteLength - done, position + done);
      }
    } catch (error) {
      throw fromFsError(error, output);
    }
  }

  #input(path: string): FileSource {
    let input = this.#inputs.get(path);
    if (input === undefined) {
      // Few files are read at once: those a worker has met last.
      if (this.#inputs.size >= 16) this.close();
      input = FileSource.open(path);
      this.#inputs.set(path, input);
    }
    return input;
  }

  #output(path: string): number {
    let descriptor = this.#outputs.get(path);
    if (descriptor === undefined) {
      try {
        descriptor = fs.openSync(path, "r+");
      } catch (error) {
        throw fromFsError(error, path);
      }
      this.#outputs.set(path, descriptor);
    }
    return descriptor;
  }
}

function unsigned(dtype: ScdlDType): UnsignedDType {
  switch (dtype) {
    case "uint8":
    case "uint16":
    case "uint32":
      return dtype;
    default:
      return "uint64";
  }
}

function ensure(buffer: Uint8Array<ArrayBuffer>, byteLength: number): Uint8Array<ArrayBuffer> {
  return buffer.byteLength >= byteLength ? buffer : new Uint8Array(byteLength);
}

/** max |cast - original| as the original's warning reports it. NaN when a NaN was lost. */
export function largestDifference(source: NumericArray, bytes: Uint8Array, to: ScdlDType): number {
  const aligned = bytes.slice();
  const cast = numbersOf(aligned, to, true);
  let largest = 0;
  for (let i = 0; i < source.length; i++) {
    const difference = differenceOf(cast[i] ?? 0, source[i] ?? 0);
    if (Number.isNaN(difference)) {
      if (Number.isNaN(Number(source[i])) === Number.isNaN(Number(cast[i]))) continue;
      return Number.NaN;
    }
    if (difference > largest) largest = difference;
  }
  return largest;
}

/** As a difference of numbers; of integers that numbers would round, as one of integers. */
function differenceOf(cast: number | bigint, source: number | bigint): number {
  const [a, b] = [Number(cast), Number(source)];
  const isExact = Number.isSafeInteger(a) && Number.isSafeInteger(b);
  if (isExact || !Number.isInteger(a) || !Number.isInteger(b)) return Math.abs(a - b);
  const difference = BigInt(cast) - BigInt(source);
  return Number(difference < 0n ? -difference : difference);
}
