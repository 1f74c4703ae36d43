/** PAX extended headers: records `<length> <key>=<value>\n` that replace fields of the next member. */
import { FormatError } from "../common/errors.ts";
import { decodeUtf8, NOT_WHOLE } from "./header.ts";

export interface PaxRecords {
  path?: string;
  size?: number;
  /** Seconds since 1970, possibly with a fraction. */
  mtime?: number;
  /** A GNU sparse member, whose data is not its content. */
  sparse?: true;
}

const MAX_LENGTH_DIGITS = 7;
const SPACE = 0x20;
const NEWLINE = 0x0a;

/** @throws FormatError "bad-pax" for anything but whole records. */
export function parsePax(bytes: Uint8Array, path: string, offset: number): PaxRecords {
  const records: PaxRecords = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(SPACE, at);
    const prefix = bytes.subarray(at, Math.min(space, at + MAX_LENGTH_DIGITS + 1));
    const digits = Buffer.from(prefix).toString("latin1");
    const length = /^[1-9]\d*$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (space < 0 || space - at > MAX_LENGTH_DIGITS || end > bytes.length || end <= space + 1) {
      throw badPax(`expected a record length, found ${JSON.stringify(digits)}`);
    }
    const text = decodeUtf8(bytes.subarray(space + 1, end - 1), path, offset + at);
    const equals = text.indexOf("=");
    if (bytes[end - 1] !== NEWLINE || equals < 1) {
      throw badPax("expected a record key=value that ends with a newline");
    }
    store(records, text.slice(0, equals), text.slice(equals + 1));
    at = end;
  }
  return records;

  function badPax(message: string): FormatError {
    return new FormatError("bad-pax", `${message} in a PAX header`, {
      path,
      offset,
      suggestions: NOT_WHOLE,
    });
  }

  function store(target: PaxRecords, key: string, value: string): void {
    if (key.startsWith("GNU.sparse.")) target.sparse = true;
    // POSIX: an empty value takes the record back.
    if (value === "") return;
    if (key === "path") {
      if (value.includes("\0")) throw badPax("expected a path without NUL");
      target.path = value;
    }
    if (key === "size") {
      const size = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
      if (!Number.isSafeInteger(size)) {
        throw badPax(`expected a size of 0 to 2^53-1, found "${value.slice(0, 40)}"`);
      }
      target.size = size;
    }
    if (key === "mtime") {
      if (!/^-?\d{1,20}(\.\d{0,40})?$/.test(value)) {
        throw badPax(`expected a decimal mtime, found "${value.slice(0, 40)}"`);
      }
      target.mtime = Number(value);
    }
  }
}

/** Encodes records in the order given. */
export function encodePax(records: readonly (readonly [key: string, value: string])[]): Uint8Array {
  return Buffer.concat(
    records.map(([key, value]) => {
      const rest = Buffer.from(` ${key}=${value}\n`);
      // The length counts its own digits.
      let length = rest.length + 1;
      while (length !== rest.length + String(length).length) {
        length = rest.length + String(length).length;
      }
      return Buffer.concat([Buffer.from(String(length)), rest]);
    }),
  );
}
