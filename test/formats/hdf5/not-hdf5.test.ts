import fs from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { FileSource } from "../../../formats/bytes/file-source.ts";
import { readSuperblock } from "../../../formats/hdf5/superblock.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

test.each<[string, string, string | Uint8Array]>([
  ["an empty file", "copy or download the file again", ""],
  ["a gzip file", "gunzip", gzipSync("x")],
  ["a zip file", "unpack it", "PK\x03\x04rest"],
  ["a bzip2 file", "bunzip2", "BZh91AY"],
  ["an xz file", "unxz", Buffer.from("fd377a585a00", "hex")],
  ["a zstd file", "unzstd", Buffer.from("28b52ffd00", "hex")],
  ["a parquet file", "write it as h5ad", "PAR1\x15\x04"],
  ["a numpy array", "write it as h5ad", Buffer.from("934e554d50590100", "hex")],
  ["zeros", "copy or download", new Uint8Array(9000)],
  ["MatrixMarket text", "write it as h5ad", "%%MatrixMarket matrix coordinate real"],
  ["a web page", "download the file again", "\n<!DOCTYPE html><html>"],
  ["a Git LFS pointer", "git lfs pull", "version https://git-lfs.github.com/spec/v1\noid"],
  ["text", "write it as h5ad", "cell,gene\n1,2\n".repeat(1000)],
  ["bytes 0123456789abcdef", "scdl reads .h5ad", Buffer.from("0123456789abcdef00", "hex")],
])("%s is called that, with what to do", (found, suggestion, content) => {
  const file = path.join(temporaryDirectory(), "x.h5ad");
  fs.writeFileSync(file, content);
  using source = FileSource.open(file);
  expect(() => readSuperblock(source)).toThrow(
    expect.objectContaining({
      code: "bad-magic",
      message: `${file}: expected an HDF5 file, found ${found} (byte 0)`,
      suggestions: [expect.stringContaining(suggestion)],
    }),
  );
});
