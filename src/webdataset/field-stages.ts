/** Stages on the fields of samples: decoding, choosing, renaming; webdataset's names in camel case. */
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aFunction,
  aNumber,
  checkOptions,
  functions,
  type OptionKinds,
  shown,
  texts,
} from "../../formats/common/options.ts";
import { decodeField, type FieldDecoder, MAX_UNZIPPED_BYTES } from "./decode-field.ts";
import { type ErrorHandler, handled, rethrow } from "./error-handler.ts";
import { matcher } from "./fnmatch.ts";
import type { Sample } from "./sample-reader.ts";
import { oneByOne, type StageFactory } from "./stage.ts";
import { assertSample, noField } from "./stage-item.ts";

/** What a Buffer of Node holds at most. */
const MAX_BUFFER_BYTES = 2 ** 32;

export interface DecodeOptions {
  /** Tried before the built-in ones, in order. */
  readonly decoders?: readonly FieldDecoder[];
  /** Only these fields; the others stay bytes. Default all. */
  readonly only?: readonly string[];
  /** Let pass fields that are not bytes any more. Default false: an error. */
  readonly partial?: boolean;
  /** Fields ending in .gz that unpack to more are refused. Default 2^28, 256 MiB. */
  readonly maxUnzippedBytes?: number;
  readonly handler?: ErrorHandler;
}

const DECODE_KINDS: OptionKinds<DecodeOptions> = {
  decoders: functions,
  only: texts,
  partial: aBoolean,
  maxUnzippedBytes: aNumber,
  handler: aFunction,
};

export function decodeStage(options: DecodeOptions): StageFactory {
  checkOptions("decode", options, DECODE_KINDS);
  const { decoders = [], partial = false, maxUnzippedBytes = MAX_UNZIPPED_BYTES } = options;
  if (!(maxUnzippedBytes >= 1 && maxUnzippedBytes <= MAX_BUFFER_BYTES)) {
    const message = `maxUnzippedBytes is ${maxUnzippedBytes}, expected 1 to ${MAX_BUFFER_BYTES}`;
    throw new InvalidArgumentError("maxUnzippedBytes", maxUnzippedBytes, message);
  }
  const only = options.only === undefined ? null : new Set(options.only);
  return handled("decode", options.handler ?? rethrow, (item, out) => {
    const sample = assertSample(item, "decode");
    const decoded: Sample = { __key__: sample.__key__, __url__: sample.__url__ };
    for (const field in sample) {
      const value = sample[field];
      const isLeft = field.startsWith("__") || (only !== null && !only.has(field));
      if (isLeft || (partial && !(value instanceof Uint8Array))) decoded[field] = value;
      else decoded[field] = decodeOne(field, value, sample, decoders, maxUnzippedBytes);
    }
    out.push(decoded);
  });
}

function decodeOne(
  field: string,
  value: unknown,
  sample: Sample,
  decoders: readonly FieldDecoder[],
  maxUnzippedBytes: number,
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
  return decodeField(field, bytes, whereIs(sample, field), maxUnzippedBytes);
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
  checkOptions("toTuple", options, { missingIsError: aBoolean, handler: aFunction });
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
  checkOptions("extractKeys", options, { duplicateIsError: aBoolean, ignoreMissing: aBoolean });
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
  checkOptions("rename", options, { keep: aBoolean, handler: aFunction });
  const { keep = true } = options;
  for (const [to, from] of Object.entries(names)) {
    if (typeof from === "string") continue;
    const message = `rename: the old name of ${to} is ${shown(from)}, expected a text`;
    throw new InvalidArgumentError("names", from, message);
  }
  const renamings = Object.entries(names).map(([to, from]) => ({ to, from: from.split(";") }));
  const replaced = new Set(renamings.flatMap(({ from }) => from));
  return handled(`rename(${JSON.stringify(names)})`, options.handler ?? rethrow, (item, out) => {
    const sample = assertSample(item, "rename");
    const kept = keep ? Object.entries(sample).filter(([field]) => !replaced.has(field)) : [];
    const renamed = renamings.map(({ to, from }) => [to, firstOf(sample, from, true)]);
    out.push(Object.fromEntries([...kept, ...renamed]));
  });
}
