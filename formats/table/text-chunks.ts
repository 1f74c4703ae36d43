import { Readable } from "node:stream";
import { compressionOf, decompressed, fileChunks, peek } from "../bytes/decompress.ts";

/** The bytes of a text file; those of a gzip or zstd file decompressed. @throws as they come */
export function textChunks(path: string): Readable {
  return Readable.from(plainChunks(path), { objectMode: false });
}

async function* plainChunks(path: string): AsyncGenerator<Uint8Array> {
  const [first, chunks] = await peek(fileChunks(path));
  const compression = compressionOf(first, path);
  yield* compression === null ? chunks : decompressed(chunks, compression, path);
}
