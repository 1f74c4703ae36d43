import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import h5wasm from "h5wasm/node";
import { expect, test } from "vitest";
import { FileSource } from "../../../formats/bytes/file-source.ts";
import { isScdlError } from "../../../formats/common/errors.ts";
import { locateDataset, locateTexts } from "../../../formats/hdf5/locate.ts";
import { TextReader } from "../../../formats/hdf5/text-reader.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

const FIXTURES = fileURLToPath(new URL("../../../fixtures/h5ad/", import.meta.url));

/** Object header addresses of datasets, as the HDF5 library finds them in the whole file. */
async function addressesOf(file: string, names: readonly string[]): Promise<number[]> {
  const module = await h5wasm.ready;
  const id = module.open(file, module.H5F_ACC_RDONLY, false, -1, -1);
  const addresses = names
    .filter((name) => module.get_type(id, name) === module.H5G_DATASET)
    .map((name) => {
      const reference = Uint8Array.from(module.create_object_reference(id, name));
      return Number(new DataView(reference.buffer).getBigUint64(0, true));
    });
  module.close_file(id);
  return addresses;
}

/** Locates a dataset and checks what is said of it, or returns the error. */
function locate(file: string, address: number): unknown {
  using source = FileSource.open(file);
  try {
    const storage = locateDataset(source, address);
    if (storage?.layout.kind === "chunked") {
      const { addresses, sizes } = storage.layout;
      for (let i = 0; i < addresses.length; i++) {
        expect((addresses[i] ?? 0) + (sizes[i] ?? 0)).toBeLessThanOrEqual(source.byteLength);
      }
      // A chunk needs bytes of its own in the index: no more of them than the file has bytes.
      expect(addresses.length).toBeLessThanOrEqual(source.byteLength);
    }
    const texts = locateTexts(source, address);
    if (texts !== null) TextReader.of(source, "/texts", texts)?.read(0, Math.min(2, texts.length));
    return null;
  } catch (error) {
    return error;
  }
}

// One fixture for each version of superblock, object header, chunk index and string heap.
const CASES: readonly (readonly [string, readonly string[]])[] = [
  ["demo.h5ad", ["raw/X/data", "raw/X/indptr", "obs/_index"]],
  ["dense-chunked.h5ad", ["X"]],
  ["latest-fixed.h5ad", ["X/data"]],
  ["latest-extensible-gzip.h5ad", ["X/data"]],
  ["latest-extensible-2d.h5ad", ["X"]],
  ["latest-btree.h5ad", ["X"]],
  ["latest-single.h5ad", ["X/data"]],
  ["big-endian-contiguous.h5ad", ["X/data"]],
  ["user-block.h5ad", ["X/data"]],
  ["anndata-0.6.h5ad", ["X/data", "obs"]],
];

test.each(CASES)(
  "hostile bytes in the structures of %s are typed errors or harmless",
  async (name, sets) => {
    const whole = fs.readFileSync(path.join(FIXTURES, name));
    const file = path.join(temporaryDirectory(), name);
    fs.writeFileSync(file, whole);
    const addresses = await addressesOf(path.join(FIXTURES, name), sets);
    expect(addresses.length).toBeGreaterThan(0);
    const fd = fs.openSync(file, "r+");
    let refused = 0;
    const write = (at: number, bytes: Uint8Array) => fs.writeSync(fd, bytes, 0, bytes.length, at);
    // Every size and address in the file is one of these places, at the latest from its second byte.
    const places = placesIn(whole, addresses);
    for (const at of places) {
      for (const value of [0xff, 0x7f, 0x00]) {
        for (const width of [1, 8]) {
          const end = Math.min(whole.length, at + width);
          write(at, new Uint8Array(end - at).fill(value));
          for (const address of addresses) {
            const error = locate(file, address);
            if (error === null) continue;
            expect(isScdlError(error), `${name}: byte ${at} = ${value}: ${String(error)}`).toBe(
              true,
            );
            refused++;
          }
          write(at, whole.subarray(at, end));
        }
      }
    }
    fs.closeSync(fd);
    expect(refused).toBeGreaterThan(places.length / 20);
  },
);

const SIGNATURES = [
  "OHDR",
  "OCHK",
  "TREE",
  "BTHD",
  "BTLF",
  "BTIN",
  "FAHD",
  "FADB",
  "EAHD",
  "EAIB",
  "EADB",
  "EASB",
  "GCOL",
];

/** Bytes of the superblock, of the object headers and of every index and heap that has a mark. */
function placesIn(bytes: Buffer, headers: readonly number[]): number[] {
  const begins = [0, ...headers];
  for (const signature of SIGNATURES) {
    for (let at = bytes.indexOf(signature); at >= 0; at = bytes.indexOf(signature, at + 1)) {
      begins.push(at + 4);
    }
  }
  const places = new Set<number>();
  const step = Math.max(1, Math.floor((begins.length * 64) / 60));
  for (const begin of begins) {
    for (let i = begin % step; i < 64; i += step) {
      if (begin + i < bytes.length) places.add(begin + i);
    }
  }
  return [...places];
}
