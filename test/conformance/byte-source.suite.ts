import { describe, expect, it } from "vitest";
import type { ByteSource } from "../../formats/bytes/byte-source.ts";
import { FormatError, isScdlError } from "../../formats/common/errors.ts";

export interface ByteSourceImplementation {
  readonly name: ByteSource["kind"];
  /** A source over exactly these bytes. */
  open(bytes: Uint8Array): ByteSource;
  /** Alters what lies beneath a source; absent where that cannot happen. */
  readonly change?: (source: ByteSource, action: "truncate" | "append" | "rewrite") => void;
}

/** What every byte source promises. */
export function byteSourceSuite(implementation: ByteSourceImplementation): void {
  const content = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 31) % 251);

  describe(`byte source: ${implementation.name}`, () => {
    it("says its kind and its length", () => {
      const source = implementation.open(content);
      expect(source.kind).toBe(implementation.name);
      expect(source.byteLength).toBe(10_000);
      source.close();
    });

    it("reads exactly the bytes asked, at any offset", () => {
      const source = implementation.open(content);
      for (const [offset, count] of [
        [0, 10_000],
        [1, 7],
        [4095, 4097],
        [9999, 1],
        [10_000, 0],
      ] as const) {
        const target = new Uint8Array(count);
        source.readInto(offset, target);
        expect(target).toEqual(content.slice(offset, offset + count));
      }
      source.close();
    });

    it("fills a view in the middle of a buffer and nothing beside it", () => {
      const source = implementation.open(content);
      const buffer = new Uint8Array(20).fill(255);
      source.readInto(100, buffer.subarray(5, 10));
      expect([...buffer.slice(4, 11)]).toEqual([255, ...content.slice(100, 105), 255]);
      source.close();
    });

    it("refuses a range that ends after the file, naming both numbers", () => {
      const source = implementation.open(content);
      const read = () => source.readInto(9_990, new Uint8Array(11));
      expect(read).toThrow(FormatError);
      expect(read).toThrow(/expected 11 bytes at byte 9990, the file has 10000/);
      for (const offset of [-1, 0.5, Number.NaN, 2 ** 53]) {
        expect(() => source.readInto(offset, new Uint8Array(1))).toThrow(FormatError);
      }
      source.close();
    });

    it("throws a typed error after close, and closes twice without harm", () => {
      const source = implementation.open(content);
      const { bytes } = source;
      source.close();
      source.close();
      expect(catchError(() => source.check())).toSatisfy((e) => isScdlError(e, "closed"));
      const read = () => source.readInto(0, new Uint8Array(1));
      expect(catchError(read)).toSatisfy((e) => isScdlError(e, "closed"));
      if (implementation.name === "mapped") expect(bytes?.length).toBe(0);
      expect(source.bytes?.length ?? 0).toBe(0);
      expect(source.advice).toBeNull();
    });

    const { change } = implementation;
    if (change === undefined) return;

    for (const action of ["truncate", "append", "rewrite"] as const) {
      it(`notices a file that changed: ${action}`, () => {
        const source = implementation.open(content);
        change(source, action);
        expect(catchError(() => source.check())).toSatisfy((e) => isScdlError(e, "file-changed"));
        source.close();
      });
    }

    it("never reads past a file that shrank", () => {
      const source = implementation.open(content);
      change(source, "truncate");
      const read = () => source.readInto(9_000, new Uint8Array(1_000));
      expect(catchError(read)).toSatisfy((e) => isScdlError(e, "file-changed"));
      source.close();
    });
  });
}

function catchError(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}
