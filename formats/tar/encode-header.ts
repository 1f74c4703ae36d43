/**
 * Tar headers as Python's tarfile writes them by default: ustar, preceded by a PAX header only for
 * what ustar cannot say (long or non-ASCII names, sizes from 8 GiB, times with a fraction).
 */
import { InvalidArgumentError } from "../common/errors.ts";
import { BLOCK_BYTES, FIELD, paddedBytes } from "./header.ts";
import { encodePax } from "./pax.ts";

export interface MemberAttributes {
  /** Permission bits, e.g. 0o444. */
  readonly mode: number;
  /** Seconds since 1970; a fraction costs a PAX header for every member. */
  readonly mtime: number;
  /** Owner and group names, ASCII, at most 32 characters. */
  readonly uname: string;
  readonly gname: string;
}

const MAX_OCTAL_11 = 8 ** 11;
const SPACE = 0x20;
const DIGIT_0 = 0x30;

/** Writes headers of members that share their attributes. */
export class HeaderEncoder {
  readonly #template = Buffer.alloc(BLOCK_BYTES);
  readonly #templateSum: number;
  readonly #mtime: number;

  /** @throws InvalidArgumentError for attributes a header cannot hold. */
  constructor(attributes: MemberAttributes) {
    const { mode, mtime, uname, gname } = attributes;
    if (!(mode >= 0 && mode <= 0o7777 && Number.isInteger(mode))) {
      throw new InvalidArgumentError("mode", mode, `mode: expected 0 to 0o7777, found ${mode}`);
    }
    if (!(mtime >= 0 && mtime < MAX_OCTAL_11 - 1)) {
      throw new InvalidArgumentError(
        "mtime",
        mtime,
        `mtime: expected seconds since 1970 below 8^11, found ${mtime}`,
      );
    }
    for (const [argument, name] of Object.entries({ uname, gname })) {
      if (!/^[\x20-\x7e]{0,32}$/.test(name)) {
        const message = `${argument}: expected at most 32 ASCII characters, found "${name}"`;
        throw new InvalidArgumentError(argument, name, message);
      }
    }
    this.#mtime = mtime;
    writeCommon(this.#template, mode, roundHalfEven(mtime), "0");
    this.#template.write(uname, FIELD.uname[0], "latin1");
    this.#template.write(gname, FIELD.gname[0], "latin1");
    this.#templateSum = this.#template.reduce((sum, byte) => sum + byte, 0);
  }

  /** Bytes that {@link encode} will write for this member. */
  byteLength(name: string, size: number): number {
    return this.#isPlain(name, size) ? BLOCK_BYTES : this.#encodeExtended(name, size).length;
  }

  /** Writes the member's header, and a PAX header before it where one is needed, at `at`. */
  encode(target: Buffer, at: number, name: string, size: number): void {
    if (this.#isPlain(name, size)) {
      this.#encodePlain(target, at, name, size);
    } else {
      target.set(this.#encodeExtended(name, size), at);
    }
  }

  #isPlain(name: string, size: number): boolean {
    return size < MAX_OCTAL_11 && Number.isInteger(this.#mtime) && isPlainName(name);
  }

  #encodePlain(target: Buffer, at: number, name: string, size: number): void {
    target.set(this.#template, at);
    const written = target.write(name, at, FIELD.name[1], "latin1");
    let sum = this.#templateSum;
    for (let i = at; i < at + written; i++) sum += target[i] as number;
    let rest = size;
    for (let i = at + FIELD.size[0] + 10; i >= at + FIELD.size[0]; i--) {
      const digit = rest % 8;
      target[i] = DIGIT_0 + digit;
      // The template holds zeros here, and their characters in its sum.
      sum += digit;
      rest = (rest - digit) / 8;
    }
    writeChecksum(target, at, sum);
  }

  #encodeExtended(name: string, size: number): Uint8Array {
    const records: [string, string][] = [];
    if (!isPlainName(name)) records.push(["path", name]);
    if (size >= MAX_OCTAL_11) records.push(["size", String(size)]);
    if (!Number.isInteger(this.#mtime)) records.push(["mtime", String(this.#mtime)]);
    const pax = encodePax(records);
    const header = Buffer.alloc(2 * BLOCK_BYTES + paddedBytes(pax.length));
    writeCommon(header, 0, 0, "x");
    header.write("././@PaxHeader", 0, "latin1");
    writeOctal(header, FIELD.size, pax.length);
    writeChecksum(
      header,
      0,
      header.subarray(0, BLOCK_BYTES).reduce((sum, byte) => sum + byte, 0),
    );
    header.set(pax, BLOCK_BYTES);
    // Readers that know no PAX see a shortened name with question marks.
    const shortened = Array.from(name, (c) => (c > "\x7f" ? "?" : c))
      .join("")
      .slice(0, 100);
    const plainSize = size < MAX_OCTAL_11 ? size : 0;
    this.#encodePlain(header, header.length - BLOCK_BYTES, shortened, plainSize);
    return header;
  }
}

/** Only ASCII up to the length of the field can stand in a plain header. */
function isPlainName(name: string): boolean {
  if (name.length > FIELD.name[1]) return false;
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Fields of every header; name, size and names of owners are left empty. */
function writeCommon(header: Buffer, mode: number, mtime: number, type: string): void {
  writeOctal(header, FIELD.mode, mode);
  writeOctal(header, FIELD.uid, 0);
  writeOctal(header, FIELD.gid, 0);
  writeOctal(header, FIELD.size, 0);
  writeOctal(header, FIELD.mtime, mtime);
  header.fill(SPACE, FIELD.checksum[0], FIELD.checksum[0] + FIELD.checksum[1]);
  header.write(type, FIELD.type[0], "latin1");
  header.write("ustar\x0000", FIELD.magic[0], "latin1");
}

function writeOctal(header: Buffer, field: readonly [number, number], value: number): void {
  header.write(value.toString(8).padStart(field[1] - 1, "0"), field[0], "latin1");
}

/** Six digits and NUL; the eighth byte stays a space. `sum` counts the field as spaces. */
function writeChecksum(target: Buffer, at: number, sum: number): void {
  let rest = sum;
  for (let i = at + FIELD.checksum[0] + 5; i >= at + FIELD.checksum[0]; i--) {
    target[i] = DIGIT_0 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
  target[at + FIELD.checksum[0] + 6] = 0;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
