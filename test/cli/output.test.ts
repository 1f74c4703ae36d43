import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { REPOSITORY_ROOT, runProcess } from "../helpers/run-process.ts";
import { writeSmallDataset } from "../helpers/small-dataset.ts";

const SCDL = path.join(REPOSITORY_ROOT, "bin/scdl.js");
const DEMO = path.join(REPOSITORY_ROOT, "fixtures/h5ad/demo.h5ad");

/** Runs `scdl ARGS` with a redirection or a pipe behind it; the exit code is that of scdl. */
function redirected(args: readonly string[], redirection: string) {
  // Not every sh knows pipefail: the code goes to stderr instead.
  const script = `{ "$0" "$@"; echo "code $?" >&2; } ${redirection}`;
  return runProcess("sh", ["-c", script, SCDL, ...args]);
}

describe.skipIf(process.platform === "win32")("a reader that is gone", () => {
  test("is no error for what was done by then", async () => {
    const folder = temporaryDirectory();
    const output = path.join(folder, "out");
    const converted = await redirected(["convert-h5ad", DEMO, "-o", output], "| true");
    expect(converted.stderr).toBe("code 0\n");
    const [json, help] = await Promise.all([
      redirected(["inspect", output, "--json"], "| true"),
      redirected(["--help"], "| head -n 1"),
    ]);
    for (const { stderr } of [json, help]) expect(stderr).toBe("code 0\n");
    expect(help.stdout).toMatch(/^Single-cell and protein datasets .*\n$/);
  });

  test("ends work that prints for it, without a word", async () => {
    const folder = temporaryDirectory();
    const dataset = await writeSmallDataset(path.join(folder, "small.scdl"));
    const state = path.join(folder, "state.json");
    const args = ["stream", dataset, "--print-rows", "--epochs", "1000000", "--state", state];
    const result = await redirected(args, "| head -n 1");
    expect(result).toMatchObject({ stderr: "code 141\n" });
    expect(result.stdout).toMatch(/^0 0 [\d ]+\n$/);
    expect(fs.existsSync(state)).toBe(true);
  });
});

test.skipIf(!fs.existsSync("/dev/full"))("a full disk under stdout is one line and 1", async () => {
  const results = await Promise.all([
    redirected(["inspect", DEMO, "--json"], "> /dev/full"),
    redirected(["--help"], "> /dev/full"),
  ]);
  for (const { stderr } of results) {
    expect(stderr).toBe(
      "error: stdout: no space left on the device [disk-full]\n" +
        "  try: free space and run again\ncode 1\n",
    );
  }
});
