/**
 * A shared library as far as its segments go: a header, two program headers (all of the file, the dynamic
 * segment), the dynamic segment, its names.
 */
export function sharedLibrary(needed: readonly string[]): Uint8Array<ArrayBuffer> {
  const names = `\0${needed.map((name) => `${name}\0`).join("")}`;
  const dynamic = 64 + 2 * 56;
  const dynamicBytes = 16 * (needed.length + 2);
  const strings = dynamic + dynamicBytes;
  const bytes = new Uint8Array(strings + names.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  const base = 0x1000;
  const segment = (at: number, type: number, offset: number, length: number) => {
    view.setUint32(at, type, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(base + offset), true);
    view.setBigUint64(at + 32, BigInt(length), true);
  };
  segment(64, 1, 0, bytes.length);
  segment(64 + 56, 2, dynamic, dynamicBytes);
  const entries = [
    [5, base + strings],
    ...needed.map((name) => [1, names.indexOf(`\0${name}`) + 1]),
  ];
  for (const [at, [tag = 0, value = 0]] of entries.entries()) {
    view.setBigUint64(dynamic + 16 * at, BigInt(tag), true);
    view.setBigUint64(dynamic + 16 * at + 8, BigInt(value), true);
  }
  bytes.set(Buffer.from(names), strings);
  return bytes;
}
