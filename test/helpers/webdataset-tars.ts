import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { TarReader } from "../../formats/tar/tar-reader.ts";

export interface TarMember {
  readonly name: string;
  readonly isFile: boolean;
  readonly mtime: number;
  /** Hex. */
  readonly data: string;
}

/** fixtures/webdataset/tars.json.gz: archives of Python with what Python reads in them. */
export function loadTars(): Record<string, { bytes: Uint8Array; members: readonly TarMember[] }> {
  const file = new URL("../../fixtures/webdataset/tars.json.gz", import.meta.url);
  const stored: Record<string, { tar: string; members: readonly TarMember[] }> = JSON.parse(
    gunzipSync(readFileSync(file)).toString("utf8"),
  );
  return Object.fromEntries(
    Object.entries(stored).map(([name, { tar, members }]) => [
      name,
      { bytes: new Uint8Array(Buffer.from(tar, "base64")), members },
    ]),
  );
}

export interface ReadMember extends TarMember {
  readonly offset: number;
  readonly endOffset: number;
}

/** Reads an archive that comes `chunkBytes` at a time, at once or after waiting. */
export async function readTar(
  bytes: Uint8Array,
  options: {
    readonly chunkBytes?: number;
    readonly waits?: boolean;
    readonly offset?: number;
  } = {},
): Promise<ReadMember[]> {
  const { chunkBytes = 2 ** 20, waits = false, offset = 0 } = options;
  let at = offset;
  const stream = {
    path: "a.tar",
    read(target: Uint8Array) {
      const count = Math.min(target.length, chunkBytes, bytes.length - at);
      target.set(bytes.subarray(at, at + count));
      at += count;
      return waits ? Promise.resolve(count) : count;
    },
    close() {},
  };
  const reader = new TarReader(stream, { offset });
  const members: ReadMember[] = [];
  while (await reader.next()) {
    const { name, isFile, mtime, offset: begin, endOffset } = reader;
    const data = Buffer.from(reader.copyData()).toString("hex");
    members.push({ name, isFile, mtime, data, offset: begin, endOffset });
  }
  return members;
}
