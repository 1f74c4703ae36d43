import { expect, test } from "vitest";
import { FormatError } from "../../../formats/common/errors.ts";
import { loadTars, readTar } from "../../helpers/webdataset-tars.ts";

function signHeader(block: Uint8Array): void {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(Buffer.from(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
}

test("every error of a damaged archive says what to try", async () => {
  const without = new Set<string>();
  const codes = new Set<string>();
  const note = (error: unknown) => {
    if (!(error instanceof FormatError)) return;
    codes.add(error.code);
    if (error.suggestions.length === 0) without.add(error.message);
  };
  await readTar(new Uint8Array(0)).catch(note);
  for (const { bytes } of Object.values(loadTars())) {
    for (let at = 0; at < Math.min(bytes.length, 1600); at += 11) {
      const damaged = bytes.slice();
      damaged[at] = 0x7a;
      // With a checksum that fits, so that the damage is found in the fields themselves.
      if (at % 2 === 0) signHeader(damaged.subarray(at - (at % 512), at - (at % 512) + 512));
      await readTar(damaged).catch(note);
      if (at % 55 === 0) await readTar(bytes.slice(0, at)).catch(note);
    }
  }
  expect([...without]).toEqual([]);
  for (const code of ["truncated", "bad-checksum", "bad-header"]) expect(codes).toContain(code);
});
