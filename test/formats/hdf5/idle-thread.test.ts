import { join } from "node:path";
import { expect, test } from "vitest";
import { REPOSITORY_ROOT, runProcess } from "../../helpers/run-process.ts";

test("the HDF5 thread that waits for the next file does not keep the process alive", async () => {
  const entry = new URL("../../../dist/src/index.js", import.meta.url).href;
  const file = join(REPOSITORY_ROOT, "fixtures/h5ad/demo.h5ad");
  const program = `
    import { setImmediate } from "node:timers/promises";
    import { H5adFile } from ${JSON.stringify(entry)};
    for (let i = 0; i < 2; i++) {
      await using file = await H5adFile.open(${JSON.stringify(file)});
      console.log(file.format);
    }
    await setImmediate();
    console.log(process.getActiveResourcesInfo().filter((name) => /Port|Worker|Timeout/.test(name)));
  `;
  const result = await runProcess(process.execPath, ["--input-type=module", "--eval", program]);
  expect(result).toMatchObject({ code: 0, stderr: "", stdout: "anndata\nanndata\n[]\n" });
});
