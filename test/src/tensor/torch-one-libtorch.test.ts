/** One libtorch in a process, whoever asks for another. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openDevice } from "../../../src/tensor/index.ts";
import { libtorchIn, withOneLibtorch } from "../../../src/tensor/torch/one-libtorch.ts";
import { LIBTORCH } from "./torch.fixture.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "scdl-one-libtorch-")));
afterAll(() => rmSync(root, { recursive: true }));

function folder(name: string): string {
  const directory = join(root, name);
  mkdirSync(directory);
  writeFileSync(join(directory, "libtorch_cpu.so"), name);
  return directory;
}

test("a libtorch that is mapped is found by its path, one that is no longer there is not", () => {
  const lib = folder("mapped lib");
  const line = (path: string) => `7f00-7f01 r-xp 00000000 08:01 42      ${path}\n`;
  expect(libtorchIn(line("/lib/libc.so.6") + line(join(lib, "libtorch_cpu.so")))).toBe(lib);
  expect(libtorchIn(line(join(root, "gone", "libtorch_cpu.so")))).toBeNull();
  expect(libtorchIn(`${line("")}7f00-7f01 rw-p 00000000 00:00 0\n`)).toBeNull();
});

describe("in this process", () => {
  test("one that did not load leaves room, one that is being loaded does not", async () => {
    const [one, two] = [folder("one"), folder("two")];
    const failing = withOneLibtorch(one, () => Promise.reject(new Error("cut off")));
    const message = `${two}: this process has the libtorch of ${one}, and can have one`;
    await expect(withOneLibtorch(two, async () => 2)).rejects.toMatchObject({
      name: "IncompatibleError",
      code: "libtorch-loaded",
      message,
    });
    await expect(failing).rejects.toThrow("cut off");
    const again = withOneLibtorch(two, () => Promise.reject(new Error("cut off, too")));
    await expect(again).rejects.toThrow("cut off, too");
  });

  test.skipIf(LIBTORCH === null)(
    "a second folder is refused, a link to the first is not",
    async () => {
      const { directory } = LIBTORCH as NonNullable<typeof LIBTORCH>; // proof: skipped without
      const link = join(root, "link");
      symlinkSync(directory, link);
      const other = folder("other");
      copyFileSync(join(directory, "libc10.so"), join(other, "libtorch_cpu.so"));
      await using first = await openDevice("torch-cpu", { libtorch: directory, threads: 1 });
      await using same = await openDevice("torch-cpu", { libtorch: link, threads: 1 });
      await Promise.all([first.close(), same.close()]);
      const second = openDevice("torch-cpu", { libtorch: other, threads: 1 });
      await expect(second).rejects.toMatchObject({
        name: "IncompatibleError",
        code: "libtorch-loaded",
        suggestions: [
          `use that of ${dirname(realpathSync(join(directory, "libtorch_cpu.so")))}`,
          "use the other one in a process of its own",
        ],
      });
    },
  );
});
