/** Runs the Slurm scripts of docs/recipes.md as the plain bash they are. */

import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { temporaryDirectory } from "./helpers/bundle.ts";
import { REPOSITORY_ROOT, runProcess, runScdl } from "./helpers/run-process.ts";

const CLI = fileURLToPath(new URL("../dist/cli/run.js", import.meta.url));
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("the tasks of the Slurm array and the job that joins give the bytes of one conversion", async () => {
  const text = readFileSync(join(REPOSITORY_ROOT, "docs/recipes.md"), "utf8");
  const [convert = "", join_ = "", ...others] = [...text.matchAll(/^```bash\n(.*?)^```$/gms)].map(
    ([, script = ""]) => script,
  );
  expect(others).toEqual([]);

  const folder = temporaryDirectory();
  const bin = join(folder, "bin");
  for (const made of ["bin", "h5ad"]) mkdirSync(join(folder, made));
  writeFileSync(join(bin, "scdl"), `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`);
  chmodSync(join(bin, "scdl"), 0o755);
  const files = ["a", "b", "c"].map((name) => join("h5ad", `${name}'s plate.h5ad`));
  for (const file of files) {
    const name = file.slice("h5ad/".length, "h5ad/".length + 1);
    copyFileSync(join(REPOSITORY_ROOT, `fixtures/scdl/${name}.h5ad`), join(folder, file));
  }
  writeFileSync(join(folder, "files.txt"), `${files.join("\n")}\n`);
  const path = `${bin}${delimiter}${process.env["PATH"]}`;
  const bash = (script: string, task: string) =>
    runProcess("bash", ["-c", script.replace("per_part=10", "per_part=2")], {
      cwd: folder,
      env: { ...process.env, PATH: path, SLURM_ARRAY_TASK_ID: task },
    });

  for (const task of ["0", "1"]) {
    expect(await bash(convert, task)).toMatchObject({ code: 0, stderr: "" });
  }
  expect(readdirSync(join(folder, "parts"))).toEqual(["0000.scdl", "0001.scdl"]);
  expect(await bash(join_, "")).toMatchObject({ code: 0, stderr: "" });

  const whole = ["convert-h5ad", ...files, "--output", "whole.scdl"];
  expect(await runScdl(whole, { cwd: folder })).toMatchObject({ code: 0, stderr: "" });
  const [joined, expected] = ["all.scdl", "whole.scdl"].map((dataset) =>
    readdirSync(join(folder, dataset), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name, parentPath }) => [name, sha256(readFileSync(join(parentPath, name)))]),
  );
  expect(expected?.length).toBeGreaterThan(8);
  expect(joined).toEqual(expected);
});
