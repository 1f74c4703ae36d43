/** Field bytes to values, by extension: webdataset's table, with a data-only reader for pickles. */
import { gunzipSync } from "node:zlib";
import { FormatError, isScdlError } from "../../formats/common/errors.ts";
import { decodeMsgpack } from "../../formats/msgpack/decode.ts";
import { decodeNpyArray } from "../../formats/npy/npy-array.ts";
import { readPickle } from "../../formats/pickle/read-pickle.ts";

type FieldBytes = Uint8Array<ArrayBuffer>;
/**
 * Decodes a field, or gives undefined to leave it to the next decoder.
 * @param field the whole extension, e.g. "seg.npy"
 */
export type FieldDecoder = (field: string, bytes: FieldBytes) => unknown;

/** A field that unpacks to more is refused: a few bytes of gzip can stand for gigabytes. */
export const MAX_UNZIPPED_BYTES = 2 ** 28;
/** What to do about bytes that are not what their extension says. */
const DAMAGED = [
  "write or download the shard again, if it was damaged",
  "pass a handler to decode() to leave such samples out",
];
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const DECODERS: Readonly<Record<string, (bytes: FieldBytes, path: string) => unknown>> = {
  txt: decodeText,
  text: decodeText,
  transcript: decodeText,
  cls: decodeInteger,
  cls2: decodeInteger,
  index: decodeInteger,
  inx: decodeInteger,
  id: decodeInteger,
  json: decodeJson,
  jsn: decodeJson,
  npy: decodeNpyArray,
  mp: decodeMsgpack,
  msg: decodeMsgpack,
  msgpack: decodeMsgpack,
  pyd: readPickle,
  pickle: readPickle,
  pkl: readPickle,
};

/**
 * The value of a field; the bytes themselves for an extension that is not known. A trailing ".gz"
 * is unpacked first.
 * @param path shard, sample and field, named in errors
 */
export function decodeField(
  field: string,
  bytes: FieldBytes,
  path: string,
  maxUnzippedBytes = MAX_UNZIPPED_BYTES,
): unknown {
  let name = `.${field}`;
  let content = bytes;
  if (name.endsWith(".gz")) {
    name = name.slice(0, -3);
    content = unzip(content, path, maxUnzippedBytes);
  }
  const extension = name.slice(name.lastIndexOf(".") + 1);
  const decode = Object.hasOwn(DECODERS, extension) ? DECODERS[extension] : undefined;
  if (decode === undefined) return content;
  try {
    return decode(content, path);
  } catch (error) {
    throw withAdvice(error, path);
  }
}

/** The readers of formats do not know what the bytes are a field of. */
function withAdvice(error: unknown, path: string): unknown {
  if (!(error instanceof FormatError) || error.suggestions.length > 0) return error;
  const { code, offset, cause } = error;
  const text = error.message.slice(path.length + 2).replace(/ \(byte \d+\)$/, "");
  return new FormatError(code, text, {
    path,
    suggestions: DAMAGED,
    ...(offset === undefined ? {} : { offset }),
    ...(cause === undefined ? {} : { cause }),
  });
}

function unzip(bytes: Uint8Array, path: string, maxOutputLength: number): FieldBytes {
  try {
    return new Uint8Array(gunzipSync(bytes, { maxOutputLength }));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE") {
      const found = `${bytes.byteLength} bytes of gzip unpack to more than ${maxOutputLength}`;
      throw new FormatError("count-out-of-range", found, {
        path,
        cause,
        suggestions: ["decode({ maxUnzippedBytes }) allows more, where the shard is trusted"],
      });
    }
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError("bad-gzip", `expected gzip data: ${message}`, {
      path,
      cause,
      suggestions: DAMAGED,
    });
  }
}

function decodeText(bytes: Uint8Array, path: string): string {
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw new FormatError("bad-text", "expected UTF-8 text", {
      path,
      cause,
      suggestions: ["give the field another extension when it is no text, e.g. .bin", ...DAMAGED],
    });
  }
}

/** As Python's `int(bytes)`: spaces around, a sign, single underscores between digits. */
function decodeInteger(bytes: Uint8Array, path: string): number | bigint {
  const text = Buffer.from(bytes).toString("latin1").trim();
  if (!/^[-+]?\d+(_\d+)*$/.test(text) || text.length > 4300) {
    throw new FormatError("bad-integer", `expected an integer, found "${text.slice(0, 40)}"`, {
      path,
      suggestions: ["give the field another extension when it is no class number, e.g. .txt"],
    });
  }
  const value = BigInt(text.replace(/[+_]/g, ""));
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** JSON as Python writes it: NaN and Infinity too, and integers of any size (as bigint). */
function decodeJson(bytes: Uint8Array, path: string): unknown {
  const text = decodeText(bytes, path);
  try {
    if (/NaN|Infinity|\d{16}/.test(text)) return parsePythonJson(text);
    return JSON.parse(text);
  } catch (cause) {
    if (isScdlError(cause)) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError("bad-json", `expected JSON: ${message}`, {
      path,
      cause,
      suggestions: ["write the field with a JSON library", ...DAMAGED],
    });
  }
}

const TEXT_OR_SPECIAL = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b|-?\b\d{16,4300}\b(?![.eE])/g;

/** What JSON has no word for becomes text that no file holds, and is put back by the reviver. */
function parsePythonJson(text: string): unknown {
  const mark = freeMark(text);
  const marked = text.replace(TEXT_OR_SPECIAL, (token, at: number) => {
    const isFraction = text[at - 1] === ".";
    return token.startsWith('"') || isFraction ? token : `"${mark}${token}"`;
  });
  return JSON.parse(marked, (_key, value: unknown) => {
    if (typeof value !== "string" || !value.startsWith(mark)) return value;
    const token = value.slice(mark.length);
    if (!/^-?\d/.test(token)) return Number(token);
    return Number.isSafeInteger(Number(token)) ? Number(token) : BigInt(token);
  });
}

function freeMark(text: string): string {
  let mark = "number:";
  while (text.includes(mark)) mark = `:${mark}`;
  return mark;
}
