import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { isScdlError } from "../../../formats/common/errors.ts";
import { H5adFile } from "../../../formats/h5ad/index.ts";

const { SCDL_SHARED_DATA: shared = "../shared/data" } = process.env;
const folder = path.resolve(shared, "malformed-hdf5");
const files = fs.existsSync(folder) ? fs.readdirSync(folder) : [];

describe.skipIf(files.length === 0)("137 hostile HDF5 files", () => {
  it.for([0, 1, 2, 3])(
    "each opens or fails with a typed error within 10 s (part %i of 4)",
    { timeout: 120_000 },
    async (part) => {
      for (const name of files.filter((_, i) => i % 4 === part)) {
        const begin = performance.now();
        try {
          await using file = await H5adFile.open(path.join(folder, name), { timeoutMs: 5_000 });
          expect(file.shape).toHaveLength(2);
        } catch (error) {
          expect(isScdlError(error), `${name}: ${String(error)}`).toBe(true);
        }
        expect(performance.now() - begin, name).toBeLessThan(10_000);
      }
    },
  );
});
