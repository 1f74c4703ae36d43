/** Segments of ELF files: what the system's loader maps, and which libraries it then looks for. */
import { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";
import { toSafeInteger } from "../common/safe-integer.ts";
import { readElfHeader, viewOf } from "./header.ts";

const ENTRY_BYTES = 56;
const LOAD = 1;
const DYNAMIC = 2;
const DYNAMIC_ENTRY_BYTES = 16;
/** Far more than any library has. */
const MOST_DYNAMIC_BYTES = 2 ** 20;
const NEEDED = 1n;
const STRINGS = 5n;
const END = 0n;
/** A file's name on Linux, with its end. */
const NAME_BYTES = 256;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly byteLength: number;
}

/**
 * Names of the libraries that one needs, after its segments were found to be whole: reading a mapped page
 * beyond the end of a file ends the process (SIGBUS), and nobody would say why. Reads headers alone.
 *
 * @throws FormatError "truncated" for a file that is cut off, others for one that is damaged otherwise;
 *   UnsupportedFeatureError for 32 bit and big-endian files, NotFoundError, StorageError
 */
export function neededLibraries(path: string): readonly string[] {
  using file = FileSource.open(path);
  const segments = readSegments(file);
  for (const { type, offset, byteLength } of segments) {
    const end = offset + byteLength;
    if (type !== LOAD || end <= file.byteLength) continue;
    const message = `the library is cut off: expected at least ${end} bytes, found ${file.byteLength}`;
    throw new FormatError("truncated", message, { path });
  }
  return readNeeded(file, segments);
}

function readSegments(file: FileSource): readonly Segment[] {
  const { path } = file;
  const header = readElfHeader(file);
  const entryBytes = header.getUint16(54, true);
  const count = header.getUint16(56, true);
  if (count > 0 && entryBytes !== ENTRY_BYTES) {
    const message = `expected program headers of ${ENTRY_BYTES} bytes, found ${entryBytes}`;
    throw new FormatError("bad-header", message, { path, offset: 54 });
  }
  const at = toSafeInteger(header.getBigUint64(32, true), "the program table's offset", path, 32);
  const table = viewOf(file.read(at, count * ENTRY_BYTES));
  return Array.from({ length: count }, (_, i): Segment => {
    const from = i * ENTRY_BYTES;
    const wide = (field: number, what: string) =>
      toSafeInteger(table.getBigUint64(from + field, true), what, path, at + from + field);
    return {
      type: table.getUint32(from, true),
      offset: wide(8, "a segment's offset"),
      address: wide(16, "a segment's address"),
      byteLength: wide(32, "a segment's length"),
    };
  });
}

function readNeeded(file: FileSource, segments: readonly Segment[]): readonly string[] {
  const { path } = file;
  const dynamic = segments.find(({ type }) => type === DYNAMIC);
  if (dynamic === undefined) return [];
  const { offset, byteLength } = dynamic;
  if (byteLength > MOST_DYNAMIC_BYTES) {
    const message = `expected a dynamic segment of at most ${MOST_DYNAMIC_BYTES} bytes, found ${byteLength}`;
    throw new FormatError("bad-header", message, { path, offset });
  }
  const table = viewOf(file.read(offset, byteLength));
  const names: bigint[] = [];
  let strings = 0;
  for (let at = 0; at + DYNAMIC_ENTRY_BYTES <= byteLength; at += DYNAMIC_ENTRY_BYTES) {
    const tag = table.getBigUint64(at, true);
    const value = table.getBigUint64(at + 8, true);
    if (tag === END) break;
    if (tag === NEEDED) names.push(value);
    if (tag === STRINGS) {
      strings = placeOf(toSafeInteger(value, "the strings' address", path, offset + at), segments);
    }
  }
  return names.map((name) => {
    const at = strings + toSafeInteger(name, "a name's offset", path, offset);
    const length = Math.max(0, Math.min(NAME_BYTES, file.byteLength - at));
    const text = Buffer.from(file.read(at, length)).toString("latin1");
    const end = text.indexOf("\0");
    if (end > 0) return text.slice(0, end);
    throw new FormatError("bad-name", "expected the name of a library", { path, offset: at });
  });
}

/** Where in the file an address lies. */
function placeOf(address: number, segments: readonly Segment[]): number {
  const around = segments.find((segment) => {
    const { type, address: begin, byteLength } = segment;
    return type === LOAD && begin <= address && address < begin + byteLength;
  });
  return around === undefined ? address : around.offset + (address - around.address);
}
