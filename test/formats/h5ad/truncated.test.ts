import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { isScdlError } from "../../../formats/common/errors.ts";
import { H5adFile } from "../../../formats/h5ad/index.ts";

const fixtures = fileURLToPath(new URL("../../../fixtures/h5ad/", import.meta.url));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "scdl-truncated-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** The error of opening the first `length` bytes of `bytes`. */
function openCut(bytes: Buffer, length: number): Promise<unknown> {
  const file = path.join(folder, "cut.h5ad");
  fs.writeFileSync(file, bytes.subarray(0, length));
  return open(file);
}

async function open(file: string): Promise<unknown> {
  try {
    await using opened = await H5adFile.open(file);
    return opened.shape;
  } catch (error) {
    return error;
  }
}

describe("a truncated file is a typed error that names the missing bytes", () => {
  it("at every byte of a small file", async () => {
    const bytes = fs.readFileSync(path.join(fixtures, "dense-1x1.h5ad"));
    const file = path.join(folder, "shorter.h5ad");
    fs.writeFileSync(file, bytes);
    for (let length = bytes.length - 1; length >= 0; length--) {
      fs.truncateSync(file, length);
      const error = await open(file);
      expect(isScdlError(error, "truncated", "bad-magic"), `${length}: ${String(error)}`).toBe(
        true,
      );
    }
  });

  it("at any byte of any fixture", async () => {
    const names = fs.readdirSync(fixtures).filter((name) => /\.h5(ad)?$/.test(name));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.double({ min: 0, max: 1 }),
        async (name, at) => {
          const bytes = fs.readFileSync(path.join(fixtures, name));
          const error = await openCut(
            bytes,
            Math.floor(Math.min(at, 0.999999) * bytes.length) || 0,
          );
          return isScdlError(error, "truncated", "bad-magic");
        },
      ),
      { numRuns: 200 },
    );
  });

  it("the message states both sizes", async () => {
    const bytes = fs.readFileSync(path.join(fixtures, "one-row.h5ad"));
    expect(String(await openCut(bytes, 5000))).toContain(
      `the file has 5000 bytes, its header says ${bytes.length}`,
    );
  });
});
