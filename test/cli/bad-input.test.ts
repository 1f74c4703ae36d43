import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { temporaryDirectory } from "../helpers/bundle.ts";
import {
  type ProcessResult,
  REPOSITORY_ROOT,
  runProcess,
  runScdl,
} from "../helpers/run-process.ts";

const DEMO = path.join(REPOSITORY_ROOT, "fixtures/h5ad/demo.h5ad");
const CLI = fileURLToPath(new URL("../../dist/cli/run.js", import.meta.url));

/** One line that says what is wrong, and lines that say what to try; nothing else. */
function expectRefusal(result: ProcessResult, code: 1 | 2, first: RegExp): void {
  expect(result, result.stderr).toMatchObject({ code, stdout: "", signal: null });
  const [line = "", ...rest] = result.stderr.trimEnd().split("\n");
  expect(line).toMatch(first);
  expect(line).toMatch(/^error: .* \[[a-z-]+\]$/);
  expect(rest.length).toBeGreaterThan(0);
  for (const suggestion of rest) expect(suggestion).toMatch(/^ {2}try: /);
}

describe("wrong usage is one line, what to try, and 2", () => {
  test.each<[string, readonly string[], RegExp]>([
    ["an unknown flag", ["inspect", DEMO, "--nope"], /Nonexistent flag: --nope \[usage\]/],
    ["a missing argument", ["inspect"], /Missing 1 required arg: path/],
    ["a number that is none", ["inspect", DEMO, "--head", "x"], /--head: Expected an integer/],
    [
      "an unknown data type",
      ["convert-h5ad", DEMO, "-o", "x", "--data-dtype", "int32"],
      /Expected --data-dtype=int32 to be one of: uint8, /,
    ],
    [
      "a budget that is none",
      ["convert-h5ad", DEMO, "-o", "x", "--memory-budget", "much"],
      /--memory-budget: expected bytes .* found "much"/,
    ],
  ])("%s", async (_, args, message) => {
    expectRefusal(await runScdl(args), 2, message);
  });
});

describe("what names no command", () => {
  test.each<[string, readonly string[], string, readonly string[]]>([
    ["a typo", ["inspct", DEMO], 'there is no command "inspct"', ["scdl inspect"]],
    ["nothing but a flag", ["--foo"], "expected a command", []],
    ["a topic", ["shards"], "expected a command of shards", ["shards inspect", "shards write"]],
    ["a typo below a topic", ["shards", "wriet"], 'no command "shards wriet"', ["shards write"]],
    [
      "a flag of no command",
      ["inspect", DEMO, "--vrify"],
      "Nonexistent flag: --vrify",
      ["--verify"],
    ],
    ["a missing argument", ["inspect"], "Missing 1 required arg: path", []],
  ])("%s is one object with --json", async (_, args, message, suggestions) => {
    const result = await runScdl([...args, "--json"]);
    expect(result).toMatchObject({ code: 2, stderr: "" });
    const { error } = JSON.parse(result.stdout);
    expect(Object.keys(error).slice(0, 3)).toEqual(["name", "code", "message"]);
    expect(error.message).toContain(message);
    for (const [at, suggestion] of suggestions.entries()) {
      expect(error.suggestions[at]).toContain(suggestion);
    }
    expect(error.suggestions.length).toBeGreaterThan(suggestions.length);
  });

  test("help and version are understood as words too", async () => {
    const [help, flag, version] = await Promise.all([
      runScdl(["help", "inspect"]),
      runScdl(["inspect", "-h"]),
      runScdl(["version"]),
    ]);
    expect(help).toEqual(flag);
    expect(help.stdout).toContain("--verify");
    expect(version.stdout).toMatch(/^scdl\/\d+\.\d+\.\d+ /);
  });
});

/** The file system says no: as another user when this one may do everything. */
describe("what may not be read or written is permission-denied", () => {
  const asNobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

  test.skipIf(process.platform === "win32")("files, folders and outputs", async () => {
    const folder = temporaryDirectory();
    fs.chmodSync(folder, 0o755);
    const file = path.join(folder, "closed.h5ad");
    fs.copyFileSync(DEMO, file);
    fs.chmodSync(file, 0);
    const closed = path.join(folder, "closed");
    fs.mkdirSync(closed, { mode: 0 });
    const open = path.join(folder, "open.h5ad");
    fs.copyFileSync(DEMO, open);
    fs.chmodSync(folder, 0o555);
    // The child reads this package, which may lie where only its owner can look.
    const results = await Promise.all(
      [
        ["inspect", file],
        ["inspect", closed],
        ["convert-h5ad", open, "--output", path.join(folder, "out")],
      ].map((args) => runProcess(process.execPath, [CLI, ...args], { cwd: "/", ...asNobody })),
    );
    fs.chmodSync(folder, 0o755);
    fs.chmodSync(closed, 0o755);
    for (const result of results) {
      expectRefusal(result, 1, /permission denied \[permission-denied\]/);
    }
    expect(fs.readdirSync(folder)).toEqual(["closed", "closed.h5ad", "open.h5ad"]);
  });
});

describe("a full disk is disk-full, and nothing is left on it", () => {
  // `ulimit -f` counts blocks of 512 or 1024 bytes, by shell; the arrays need 62 KB.
  const limited = (args: readonly string[]) =>
    runProcess("sh", ["-c", 'ulimit -f 30; exec "$0" "$@"', process.execPath, CLI, ...args]);

  test.skipIf(process.platform === "win32")("convert-h5ad and simulate", async () => {
    const folder = temporaryDirectory();
    const [converted, simulated] = await Promise.all([
      limited(["convert-h5ad", DEMO, "--output", path.join(folder, "out")]),
      limited(`simulate --cells 900 --genes 900 --output ${folder}/x.h5ad`.split(" ")),
    ]);
    for (const result of [converted, simulated]) expectRefusal(result, 1, /\[disk-full\]/);
    expect(converted.stderr).toContain(folder);
    expect(simulated.stderr).toContain(`${folder}/x.h5ad`);
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});

test.skipIf(process.platform === "win32")(
  "a path that is not UTF-8 is refused with the way out",
  async () => {
    const folder = temporaryDirectory();
    const name = Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.of(0xe9)]);
    fs.copyFileSync(DEMO, name);
    // A shell, because Node passes arguments as UTF-8 itself.
    const script = `exec "$0" "$1" $3 "$2/$(printf 'caf\\351')"`;
    const run = (words: string) =>
      runProcess("sh", ["-c", script, process.execPath, CLI, folder, words]);
    const [read, ...written] = await Promise.all([
      run("inspect"),
      run(`convert-h5ad ${DEMO} --output`),
      run("simulate --cells 1 --genes 1 --output"),
      run(`shards write ${folder} --samples-per-shard 1 --output`),
    ]);
    expectRefusal(read, 1, /no such file or directory \[no-such-file\]/);
    expect(read.stderr).toContain("only names that are UTF-8");
    for (const result of written) {
      expectRefusal(result, 2, /--output: the name ".*" is not UTF-8 \[invalid-argument\]/);
    }
    expect(fs.readdirSync(folder)).toHaveLength(1);
  },
);
