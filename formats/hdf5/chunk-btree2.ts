import type { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";
import type { ChunkGrid, ChunkList } from "./chunk-list.ts";
import { scaledNumber } from "./chunk-order.ts";
import { Cursor, UNDEFINED_ADDRESS } from "./cursor.ts";

/** Signature, version, type and checksum of a node. */
const NODE_OVERHEAD = 10;
const MAX_DEPTH = 32;

/** Bytes that hold every number up to `limit`. */
function bytesFor(limit: number): number {
  return Math.floor(Math.log2(Math.max(1, limit)) / 8) + 1;
}

/** Walks a version 2 B-tree of chunks (format specification III.A.2, record types 10 and 11). */
export function walkBTree2(
  file: FileSource,
  header: number,
  grid: ChunkGrid,
  list: ChunkList,
  base: number,
): void {
  const head = new Cursor(file.read(header, 38), file.path, header);
  if (head.text(4) !== "BTHD") throw head.fail("bad-chunk-index", "expected BTHD");
  head.skip(1);
  const type = head.u8();
  const nodeBytes = head.u32();
  const recordBytes = head.u16();
  const depth = head.u16();
  head.skip(2);
  const root = head.address();
  const rootRecords = head.u16();
  const rank = grid.shape.length;
  const sizeBytes = type === 11 ? recordBytes - 12 - 8 * rank : 0;
  const isKnown =
    (type === 10 && recordBytes === 8 + 8 * rank) ||
    (type === 11 && sizeBytes >= 1 && sizeBytes <= 8);
  if (!isKnown || depth > MAX_DEPTH || nodeBytes < NODE_OVERHEAD + recordBytes) {
    throw head.fail("bad-chunk-index", `a B-tree of type ${type}, depth ${depth}`);
  }
  if (root === UNDEFINED_ADDRESS) return;

  // How many bytes each level takes for the number of records below it.
  const leafRecords = Math.floor((nodeBytes - NODE_OVERHEAD) / recordBytes);
  const countBytes = bytesFor(leafRecords);
  const totalBytes = [0];
  let total = leafRecords;
  for (let level = 1; level <= depth; level++) {
    const pointerBytes = 8 + countBytes + (totalBytes[level - 1] as number);
    const records = Math.floor(
      (nodeBytes - NODE_OVERHEAD - pointerBytes) / (recordBytes + pointerBytes),
    );
    total = (records + 1) * total + records;
    totalBytes.push(bytesFor(total));
  }

  const position = new Array<number>(rank).fill(0);
  const visited = new Set<number>();
  const visit = (address: number, level: number, records: number): void => {
    if (visited.has(address)) {
      throw new FormatError("bad-chunk-index", "a B-tree node is reached twice", {
        path: file.path,
        offset: address,
      });
    }
    visited.add(address);
    const node = new Cursor(file.read(address, nodeBytes), file.path, address);
    if (node.text(4) !== (level > 0 ? "BTIN" : "BTLF")) {
      throw node.fail("bad-chunk-index", "expected a B-tree node");
    }
    node.skip(2);
    for (let r = 0; r < records; r++) {
      const chunk = base + node.address();
      const byteLength = sizeBytes === 0 ? grid.chunkBytes : node.uint(sizeBytes);
      const mask = sizeBytes === 0 ? 0 : node.u32();
      for (let axis = 0; axis < rank; axis++) position[axis] = node.u64();
      list.add(scaledNumber(grid, position), chunk, byteLength, mask);
    }
    if (level === 0) return;
    for (let child = 0; child <= records; child++) {
      const below = node.address();
      const count = node.uint(countBytes);
      node.skip(totalBytes[level - 1] as number);
      visit(base + below, level - 1, count);
    }
  };
  visit(base + root, depth, rootRecords);
}
