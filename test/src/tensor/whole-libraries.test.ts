import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { requireWholeLibraries } from "../../../src/tensor/torch/whole-libraries.ts";
import { sharedLibrary } from "../../formats/elf/shared-library.fixture.ts";

const root = mkdtempSync(join(tmpdir(), "scdl-libraries-"));
afterAll(() => rmSync(root, { recursive: true }));
const lib = join(root, "torch", "lib");
const nvidia = join(root, "nvidia", "nccl", "lib");
for (const folder of [lib, nvidia]) mkdirSync(folder, { recursive: true });

function write(path: string, needed: readonly string[], cut = 0): void {
  const bytes = sharedLibrary(needed);
  writeFileSync(path, bytes.subarray(0, bytes.length - cut));
}

test("all that a library needs of its folders is looked at, through others, once", () => {
  const first = join(lib, "libtorch_cpu.so");
  // They need each other, and the system's.
  write(first, ["libc10.so", "libc.so.6"]);
  write(join(lib, "libc10.so"), ["libnccl.so.2", "libtorch_cpu.so"]);
  write(join(nvidia, "libnccl.so.2"), []);
  write(join(lib, "libtorch_python.so"), [], 9);
  const check = () => requireWholeLibraries([first], [lib, nvidia]);
  expect(check).not.toThrow();
  write(join(nvidia, "libnccl.so.2"), [], 1);
  expect(check).toThrow(
    expect.objectContaining({
      name: "FormatError",
      code: "truncated",
      path: join(nvidia, "libnccl.so.2"),
      message: expect.stringContaining("libnccl.so.2: the library is cut off: expected at least"),
      suggestions: expect.arrayContaining([expect.stringContaining("install PyTorch again")]),
    }),
  );
});
