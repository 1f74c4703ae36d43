/** Sections of ELF files, for the texts that a shared library carries. 64 bit, little-endian. */
import { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";
import { toSafeInteger } from "../common/safe-integer.ts";
import { readElfHeader, viewOf } from "./header.ts";

const ENTRY_BYTES = 64;
/** Type of a section that has no bytes in the file. */
const NO_BITS = 8;

interface Section {
  /** Of its name, in the section that has the names. */
  readonly nameOffset: number;
  readonly type: number;
  readonly offset: number;
  readonly byteLength: number;
}

/**
 * The bytes of a section, in new memory.
 *
 * @throws FormatError for a damaged file or one without the section, UnsupportedFeatureError for 32
 *   bit and big-endian files, NotFoundError and StorageError where it cannot be read.
 */
export function readElfSection(path: string, name: string): Uint8Array<ArrayBuffer> {
  using file = FileSource.open(path);
  const { sections, namesAt } = readSections(file);
  const nameSection = sections[namesAt];
  if (nameSection === undefined) {
    const message = `names in section ${namesAt} of ${sections.length}`;
    throw new FormatError("section-missing", message, { path, offset: 62 });
  }
  const names = file.read(nameSection.offset, nameSection.byteLength);
  const found = sections.find(({ nameOffset }) => nameIs(names, nameOffset, name));
  if (found === undefined || found.type === NO_BITS) {
    throw new FormatError("section-missing", `expected a section ${name}, found none`, { path });
  }
  return file.read(found.offset, found.byteLength);
}

function readSections(file: FileSource): { sections: readonly Section[]; namesAt: number } {
  const { path } = file;
  const header = readElfHeader(file);
  const entryBytes = header.getUint16(58, true);
  if (entryBytes !== ENTRY_BYTES) {
    const message = `expected section headers of ${ENTRY_BYTES} bytes, found ${entryBytes}`;
    throw new FormatError("bad-header", message, { path, offset: 58 });
  }
  const at = toSafeInteger(header.getBigUint64(40, true), "the section table's offset", path, 40);
  const count = header.getUint16(60, true);
  const table = viewOf(file.read(at, count * ENTRY_BYTES));
  const sections = Array.from({ length: count }, (_, i): Section => {
    const from = i * ENTRY_BYTES;
    const wide = (field: number, what: string) =>
      toSafeInteger(table.getBigUint64(from + field, true), what, path, at + from + field);
    return {
      nameOffset: table.getUint32(from, true),
      type: table.getUint32(from + 4, true),
      offset: wide(24, "a section's offset"),
      byteLength: wide(32, "a section's length"),
    };
  });
  return { sections, namesAt: header.getUint16(62, true) };
}

function nameIs(names: Uint8Array, offset: number, name: string): boolean {
  const found = names.subarray(offset, offset + name.length + 1);
  return Buffer.from(found).toString("latin1") === `${name}\0`;
}
