import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { runScdl } from "../helpers/run-process.ts";

const DEMO = "fixtures/h5ad/demo.h5ad";

test("scdl medians: of a file, in parts, and never over what is there", async () => {
  const folder = temporaryDirectory();
  const file = (name: string) => join(folder, name);
  const counts = ["--n-counts", "none"];
  const [made, part] = await Promise.all([
    runScdl(["medians", DEMO, "--output", file("medians.json"), ...counts]),
    runScdl(["medians", DEMO, "--partial", file("part.values"), ...counts, "--json"]),
  ]);
  expect(made).toMatchObject({ code: 0, stderr: "" });
  expect(made.stdout).toMatch(/^wrote .*medians\.json: medians of 200 genes over 500 cells\n$/);
  expect(JSON.parse(part.stdout)).toMatchObject({ genes: 200, cells: 500, estimated: null });
  const parts = [file("part.values"), file("part.values"), file("part.values")];
  const [merged, refused, none] = await Promise.all([
    runScdl(["medians", "--merge", ...parts, "-o", file("merged.json"), "--allow-repeats"]),
    runScdl(["medians", DEMO, "--output", file("medians.json")]),
    runScdl(["medians", DEMO]),
  ]);
  // A median does not change when every cell is there three times.
  expect(merged.stdout).toMatch(/medians of 200 genes over 1,500 cells; \d+ within 0\.2 %/);
  const [one, three] = ["medians.json", "merged.json"].map(
    (name) => JSON.parse(readFileSync(file(name), "utf8")) as Record<string, number>,
  );
  for (const [gene, median] of Object.entries(one ?? {})) {
    expect(Math.abs((three?.[gene] ?? 0) / median - 1)).toBeLessThan(0.002);
  }
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain("already exists");
  expect(none).toMatchObject({ code: 2, stdout: "" });
  expect(none.stderr).toContain("say where to write the medians");
  expect(readdirSync(folder).sort()).toEqual(["medians.json", "merged.json", "part.values"]);
});
