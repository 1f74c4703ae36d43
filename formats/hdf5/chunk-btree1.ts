import type { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";
import type { ChunkGrid, ChunkList } from "./chunk-list.ts";
import { Cursor } from "./cursor.ts";

const MAX_DEPTH = 32;

/**
 * Walks a version 1 B-tree of chunks (format specification III.A.1, node type 1).
 *
 * Levels must go down by one from parent to child and no node may be met twice, so the walk ends
 * after at most one visit to every node the file has room for.
 */
export function walkBTree1(
  file: FileSource,
  root: number,
  grid: ChunkGrid,
  list: ChunkList,
  base: number,
): void {
  const rank = grid.shape.length;
  const keyBytes = 8 + 8 * (rank + 1);
  const visited = new Set<number>();
  const begins = new Array<number>(rank).fill(0);

  const visit = (address: number, expectedLevel: number | null): void => {
    if (visited.has(address)) {
      throw new FormatError("bad-chunk-index", "a B-tree node is reached twice", {
        path: file.path,
        offset: address,
      });
    }
    visited.add(address);
    const head = new Cursor(file.read(address, 24), file.path, address);
    if (head.text(4) !== "TREE") throw head.fail("bad-chunk-index", "expected a B-tree node");
    const type = head.u8();
    const level = head.u8();
    const used = head.u16();
    if (type !== 1 || level > MAX_DEPTH || (expectedLevel !== null && level !== expectedLevel)) {
      throw head.fail("bad-chunk-index", `a B-tree node of type ${type} at level ${level}`);
    }
    const body = new Cursor(
      file.read(address + 24, used * (keyBytes + 8)),
      file.path,
      address + 24,
    );
    for (let entry = 0; entry < used; entry++) {
      const byteLength = body.u32();
      const mask = body.u32();
      for (let axis = 0; axis < rank; axis++) begins[axis] = body.u64();
      body.skip(8);
      const child = base + body.address();
      if (level > 0) visit(child, level - 1);
      else list.add(list.numberOf(begins), child, byteLength, mask);
    }
  };
  visit(root, null);
}
