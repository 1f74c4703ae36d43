/** Runs what README.md shows: console blocks must print what stands there, the program must run. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REPOSITORY_ROOT, runProcess, runScdl } from "./helpers/run-process.ts";
import { writeSmallDataset } from "./helpers/small-dataset.ts";

interface Block {
  readonly language: string;
  readonly text: string;
}

const blocks: Block[] = [
  ...readFileSync(join(REPOSITORY_ROOT, "README.md"), "utf8").matchAll(/^```(\w+)\n(.*?)^```$/gms),
].map(([, language = "", text = ""]) => ({ language, text }));

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "scdl-readme-"));
  symlinkSync(join(REPOSITORY_ROOT, "fixtures"), join(folder, "fixtures"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("README shows commands and programs", () => {
  const languages = ["console", "console", "ts", "console", "console", "ts"];
  expect(blocks.map((block) => block.language)).toEqual(languages);
});

test("the commands print what README says; times and rates may differ", async () => {
  for (const { text } of blocks.filter((block) => block.language === "console")) {
    const [first = "", ...expected] = text.split("\n");
    const [program, scdl, ...args] = first.replace(/^\$ /, "").split(" ");
    expect([program, scdl]).toEqual(["npx", "scdl"]);
    const result = await runScdl(args, { cwd: folder });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(withoutTimes(result.stdout)).toBe(withoutTimes(expected.join("\n")));
  }
});

test("the programs run and print what their last comment says", async () => {
  const entry = new URL("../dist/src/index.js", import.meta.url).href;
  const programs = blocks.filter((block) => block.language === "ts");
  const run = programs.map(async ({ text }, i) => {
    const [, output = ""] = /^\/\/ prints: (.*)$/m.exec(text) ?? [];
    const file = join(folder, `program-${i}.ts`);
    writeFileSync(file, text.replaceAll('from "scdl"', `from ${JSON.stringify(entry)}`));
    const result = await runProcess(process.execPath, [file], { cwd: folder });
    expect(result).toMatchObject({ code: 0, stderr: "", stdout: `${output}\n` });
  });
  await Promise.all(run);
});

test("the example in docs/ streams a data set, and refuses a batch size that is none", async () => {
  const example = join(REPOSITORY_ROOT, "docs/examples/random-batches.mjs");
  const dataset = await writeSmallDataset(join(folder, "small.scdl"));
  const [streamed, refused] = await Promise.all([
    runProcess(process.execPath, [example, dataset, "8"]),
    runProcess(process.execPath, [example, dataset, "0"]),
  ]);
  expect(streamed).toMatchObject({ code: 0, stderr: "" });
  expect(streamed.stdout).toMatch(/^\d+ epochs of 23 cells in random batches of 8: /);
  expect(refused).toMatchObject({ code: 2, stdout: expect.stringMatching(/^usage: /) });
});

function withoutTimes(text: string): string {
  return text.replace(/\d[\d.,]*( [kMG])?(?= (s\b|rows\/s|cells\/s|[KMG]iB\/s))/g, "#");
}
