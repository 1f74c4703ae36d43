/** webdataset's stages, under its names in camel case. */
import { InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import { collateColumns, type SampleCollate } from "./collate.ts";
import { decodeField, type FieldDecoder } from "./decode-field.ts";
import { matcher } from "./fnmatch.ts";
import type { Sample } from "./sample-reader.ts";
import { ShuffleBuffer } from "./shuffle-buffer.ts";
import { oneByOne, type Stage, type StageFactory } from "./stage.ts";

/**
 * Decides about an error in a sample: true leaves the sample out and goes on, false ends the pass,
 * throwing ends everything.
 */
export type ErrorHandler = (error: unknown) => boolean;

export function rethrow(error: unknown): never {
  throw error;
}

export interface ShuffleOptions {
  /** Buffered before the first sample is given. Default 100, at most the size. */
  readonly initial?: number;
  readonly seed?: number;
}

/** @param perPass another order in every pass: the seed is `seed + pass`. */
export function shuffleStage(
  size: number,
  options: ShuffleOptions,
  perPass: boolean,
): StageFactory {
  const { initial = 100, seed = 0 } = options;
  for (const [name, value, least] of [
    ["size", size, 1],
    ["initial", initial, 0],
    ["seed", seed, Number.MIN_SAFE_INTEGER],
  ] as const) {
    if (!(Number.isSafeInteger(value) && value >= least)) {
      throw new InvalidArgumentError(
        name,
        value,
        `${name}: expected an integer from ${least}, found ${value}`,
      );
    }
  }
  return {
    signature: `shuffle(${size},${initial},${seed},${perPass})`,
    create: (pass) => new ShuffleStage(size, initial, perPass ? seed + pass : seed),
  };
}

export class ShuffleStage extends ShuffleBuffer<unknown> implements Stage {
  readonly isDone = false;
}

/** A step of the user's; null and undefined leave the sample out. */
export function mapStage(
  apply: (item: never) => unknown,
  handler: ErrorHandler = rethrow,
): StageFactory {
  // The types of neighbouring steps were checked where they were joined.
  const call = apply as (item: unknown) => unknown;
  return handled("map", handler, (item, out) => {
    const result = call(item);
    if (result instanceof Promise) {
      return result.then((value) => keepMapped(item, value, out));
    }
    return keepMapped(item, result, out);
  });
}

/** A sample made of a sample keeps its key. */
function keepMapped(item: unknown, result: unknown, out: unknown[]): void {
  if (result === null || result === undefined) return;
  if (isSample(item) && isRecord(result)) result["__key__"] = item.__key__;
  out.push(result);
}

export function filterStage(keep: (item: never) => unknown): StageFactory {
  const call = keep as (item: unknown) => unknown;
  return oneByOne("filter", (item, out) => {
    const answer = call(item);
    if (answer instanceof Promise) {
      return answer.then((value) => {
        if (value) out.push(item);
      });
    }
    if (answer) out.push(item);
    return undefined;
  });
}

export interface DecodeOptions {
  /** Tried before the built-in ones, in order. */
  readonly decoders?: readonly FieldDecoder[];
  /** Only these fields; the others stay bytes. Default all. */
  readonly only?: readonly string[];
  /** Let pass fields that are not bytes any more. Default false: an error. */
  readonly partial?: boolean;
  readonly handler?: ErrorHandler;
}

export function decodeStage(options: DecodeOptions): StageFactory {
  const { decoders = [], partial = false } = options;
  const only = options.only === undefined ? null : new Set(options.only);
  return handled("decode", options.handler ?? rethrow, (item, out) => {
    const sample = assertSample(item, "decode");
    const decoded: Sample = { __key__: sample.__key__, __url__: sample.__url__ };
    for (const field in sample) {
      const value = sample[field];
      const isLeft = field.startsWith("__") || (only !== null && !only.has(field));
      if (isLeft || (partial && !(value instanceof Uint8Array))) decoded[field] = value;
      else decoded[field] = decodeOne(field, value, sample, decoders);
    }
    out.push(decoded);
  });
}

function decodeOne(
  field: string,
  value: unknown,
  sample: Sample,
  decoders: readonly FieldDecoder[],
): unknown {
  if (!(value instanceof Uint8Array)) {
    throw new InvalidArgumentError(
      "sample",
      sample,
      `${whereIs(sample, field)}: expected bytes to decode, found a ${typeof value}`,
      { suggestions: ["decode once, or pass partial: true"] },
    );
  }
  // Bytes of a sample are memory of their own.
  const bytes = value as Uint8Array<ArrayBuffer>;
  for (const decoder of decoders) {
    const result = decoder(field, bytes);
    if (result !== undefined) return result;
  }
  return decodeField(field, bytes, whereIs(sample, field));
}

function whereIs(sample: Sample, field: string): string {
  return `${sample.__url__}: sample "${sample.__key__}" field "${field}"`;
}

export interface TupleOptions {
  /** A field that is not there is an error. Default true; otherwise it gives null. */
  readonly missingIsError?: boolean;
  readonly handler?: ErrorHandler;
}

/** Each spec is a field, or alternatives as "jpg;png". */
export function toTupleStage(specs: readonly string[], options: TupleOptions): StageFactory {
  const { missingIsError = true } = options;
  const alternatives = specs.map((spec) => spec.split(";"));
  return handled(`toTuple(${specs.join(" ")})`, options.handler ?? rethrow, (item, out) => {
    const sample = assertSample(item, "toTuple");
    out.push(alternatives.map((fields) => firstOf(sample, fields, missingIsError)));
  });
}

function firstOf(sample: Sample, fields: readonly string[], missingIsError: boolean): unknown {
  const found = fields.find((field) => Object.hasOwn(sample, field));
  if (found !== undefined) return sample[found];
  if (!missingIsError) return null;
  throw noField(sample, fields);
}

function noField(sample: Sample, wanted: readonly string[]): NotFoundError {
  return new NotFoundError(
    "no-such-field",
    `${sample.__url__}: sample "${sample.__key__}" has no ${wanted.join(" or ")}`,
    { what: wanted.join(";"), available: Object.keys(sample) },
  );
}

export interface ExtractOptions {
  /** More than one field that matches a pattern is an error. Default true. */
  readonly duplicateIsError?: boolean;
  /** A pattern without a field is left out of the tuple. Default false: an error. */
  readonly ignoreMissing?: boolean;
}

/** Shell patterns matched against "." and the field, as "*.npy;*.pyd". */
export function extractKeysStage(
  patterns: readonly string[],
  options: ExtractOptions,
): StageFactory {
  const { duplicateIsError = true, ignoreMissing = false } = options;
  const matchers = patterns.map((pattern) => matcher(pattern.split(";")));
  return oneByOne(`extractKeys(${patterns.join(" ")})`, (item, out) => {
    const sample = assertSample(item, "extractKeys");
    const fields = Object.keys(sample);
    const values: unknown[] = [];
    for (const [i, matches] of matchers.entries()) {
      const found = fields.filter((field) => matches(`.${field}`));
      if (found.length > 1 && duplicateIsError) {
        throw new InvalidArgumentError(
          "patterns",
          patterns[i],
          `${sample.__url__}: sample "${sample.__key__}": "${patterns[i]}" matches ${found.join(", ")}`,
          { suggestions: ["use a pattern that matches one field"] },
        );
      }
      if (found[0] !== undefined) values.push(sample[found[0]]);
      else if (!ignoreMissing) throw noField(sample, [patterns[i] as string]);
    }
    out.push(values);
  });
}

export interface RenameOptions {
  /** Keep the fields that are not renamed. Default true. */
  readonly keep?: boolean;
  readonly handler?: ErrorHandler;
}

/** @param names new name to old one, or to alternatives as "jpg;png" */
export function renameStage(
  names: Readonly<Record<string, string>>,
  options: RenameOptions,
): StageFactory {
  const { keep = true } = options;
  const renamings = Object.entries(names).map(([to, from]) => ({ to, from: from.split(";") }));
  const replaced = new Set(renamings.flatMap(({ from }) => from));
  return handled(`rename(${JSON.stringify(names)})`, options.handler ?? rethrow, (item, out) => {
    const sample = assertSample(item, "rename");
    const kept = keep ? Object.entries(sample).filter(([field]) => !replaced.has(field)) : [];
    const renamed = renamings.map(({ to, from }) => [to, firstOf(sample, from, true)]);
    out.push(Object.fromEntries([...kept, ...renamed]));
  });
}

type FieldFunction = (value: never) => unknown;

/** A function per field; fields without one stay as they are. */
export function mapDictStage(
  functions: Readonly<Record<string, FieldFunction>>,
  handler: ErrorHandler = rethrow,
): StageFactory {
  return handled(`mapDict(${Object.keys(functions).join(" ")})`, handler, async (item, out) => {
    const sample = { ...assertSample(item, "mapDict") };
    for (const [field, apply] of Object.entries(functions)) {
      if (!Object.hasOwn(sample, field)) throw noField(sample, [field]);
      sample[field] = await (apply as (value: unknown) => unknown)(sample[field]);
    }
    out.push(sample);
  });
}

/** A function per position; null leaves the value as it is. */
export function mapTupleStage(
  functions: readonly (FieldFunction | null)[],
  handler: ErrorHandler = rethrow,
): StageFactory {
  return handled(`mapTuple(${functions.length})`, handler, async (item, out) => {
    const values = [...assertTuple(item, "mapTuple")];
    for (let i = 0; i < Math.min(functions.length, values.length); i++) {
      const apply = functions[i] as ((value: unknown) => unknown) | null;
      if (apply !== null) values[i] = await apply(values[i]);
    }
    out.push(values);
  });
}

/** @param collate null gives the list of items. */
export function batchedStage(
  size: number,
  collate: SampleCollate | null | undefined,
  partial: boolean,
): StageFactory {
  if (!(Number.isSafeInteger(size) && size >= 1)) {
    throw new InvalidArgumentError("size", size, `expected a batch size from 1, found ${size}`);
  }
  return {
    signature: `batched(${size},${partial})`,
    create: () => new BatchStage(size, collate === undefined ? collateColumns : collate, partial),
  };
}

class BatchStage implements Stage {
  readonly isDone = false;
  readonly #size: number;
  readonly #collate: SampleCollate | null;
  readonly #partial: boolean;
  #items: unknown[] = [];

  constructor(size: number, collate: SampleCollate | null, partial: boolean) {
    this.#size = size;
    this.#collate = collate;
    this.#partial = partial;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  push(item: unknown, out: unknown[]): void {
    this.#items.push(item);
    if (this.#items.length === this.#size) this.#give(out);
  }

  flush(out: unknown[]): void {
    if (this.#items.length > 0 && this.#partial) this.#give(out);
    this.#items = [];
  }

  #give(out: unknown[]): void {
    const items = this.#items;
    this.#items = [];
    out.push(this.#collate === null ? items : this.#collate(items));
  }
}

/** A batch of columns to a tuple per row. */
export function unbatchedStage(): StageFactory {
  return oneByOne("unbatched", (item, out) => {
    const columns = assertTuple(item, "unbatched").map((column) => rowsOf(column));
    for (let row = 0; row < (columns[0]?.length ?? 0); row++) {
      out.push(columns.map((column) => column[row]));
    }
  });
}

function rowsOf(column: unknown): ArrayLike<unknown> {
  if (Array.isArray(column) || (ArrayBuffer.isView(column) && !(column instanceof DataView))) {
    // Every view but DataView is a typed array.
    return column as ArrayLike<unknown>;
  }
  throw new InvalidArgumentError("item", column, "unbatched: expected arrays as columns", {
    suggestions: ["batch with collate: null, and use unlisted"],
  });
}

/** A list to its items: what batched with `collate: null` put together. */
export function unlistedStage(): StageFactory {
  return oneByOne("unlisted", (item, out) => {
    for (const part of assertTuple(item, "unlisted")) out.push(part);
  });
}

/** At most `count` items of each pass. */
export function sliceStage(count: number): StageFactory {
  if (!(Number.isSafeInteger(count) && count >= 0)) {
    throw new InvalidArgumentError("count", count, `expected a count from 0, found ${count}`);
  }
  return {
    signature: `slice(${count})`,
    create: () => {
      let given = 0;
      return {
        push(item, out) {
          if (given++ < count) out.push(item);
        },
        flush() {},
        get isEmpty() {
          return given === 0;
        },
        get isDone() {
          return given >= count;
        },
      };
    },
  };
}

/** A stage whose errors go to the handler. */
function handled(
  signature: string,
  handler: ErrorHandler,
  push: (item: unknown, out: unknown[]) => void | Promise<void>,
): StageFactory {
  if (handler === rethrow) return oneByOne(signature, push);
  return {
    signature,
    create: () => {
      let isDone = false;
      const onError = (error: unknown) => {
        if (!handler(error)) isDone = true;
      };
      return {
        push(item, out) {
          try {
            const pending = push(item, out);
            return pending?.catch(onError);
          } catch (error) {
            return onError(error);
          }
        },
        flush() {},
        isEmpty: true,
        get isDone() {
          return isDone;
        },
      };
    },
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function isSample(value: unknown): value is Sample {
  return isRecord(value) && typeof value["__key__"] === "string";
}

function assertSample(value: unknown, stage: string): Sample {
  if (isSample(value)) return value;
  throw new InvalidArgumentError("item", value, `${stage}: expected a sample with __key__`, {
    suggestions: [`put ${stage} before what turns samples into tuples or batches`],
  });
}

function assertTuple(value: unknown, stage: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new InvalidArgumentError("item", value, `${stage}: expected a tuple or list`, {
    suggestions: ["call toTuple or extractKeys first"],
  });
}
