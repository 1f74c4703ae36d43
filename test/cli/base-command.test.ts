import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type ProcessResult, type RunOptions, runProcess } from "../helpers/run-process.ts";

const PROBE = fileURLToPath(new URL("./probe.ts", import.meta.url));

function probe(args: readonly string[], options: RunOptions = {}): Promise<ProcessResult> {
  const { DEBUG: _debug, ...env } = process.env;
  return runProcess(process.execPath, [PROBE, ...args], { env, ...options });
}

describe("a command", () => {
  test("prints text without --json and one object with it", async () => {
    const [text, json] = await Promise.all([
      probe(["--do", "succeed"]),
      probe(["--do", "succeed", "--json"]),
    ]);
    expect(text).toMatchObject({ code: 0, stdout: "text for people\n", stderr: "" });
    expect(json.code).toBe(0);
    expect(JSON.parse(json.stdout)).toEqual({
      nnz: 3,
      huge: "1152921504606846976",
      notFinite: "NaN",
    });
  });

  test("prints a typed error as one line without control characters, then what to try", async () => {
    const result = await probe(["--do", "format"]);
    expect(result).toMatchObject({ code: 1, stdout: "" });
    expect(result.stderr).toBe(
      "error: /data/row_ptr.npy: expected 8 bytes,\\n\\x1b[31mfound 7 (byte 16) [truncated]\n" +
        "  try: copy the file again\n",
    );
  });

  test("adds the stack with --debug and with DEBUG", async () => {
    const [flag, variable] = await Promise.all([
      probe(["--do", "format", "--debug"]),
      probe(["--do", "format"], { env: { ...process.env, DEBUG: "1" } }),
    ]);
    expect(flag.stderr).toContain("probe.ts:");
    expect(variable.stderr).toContain("probe.ts:");
  });

  test("prints a typed error as JSON with --json", async () => {
    const result = await probe(["--do", "loss", "--json"]);
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stdout)).toEqual({
      error: {
        name: "PrecisionLossError",
        code: "precision-loss",
        message: "300 does not fit uint8",
        suggestions: [],
        from: "float32",
        to: "uint8",
        row: 4,
        column: 5,
        value: 300,
      },
    });
  });

  test("ends with 2 for wrong usage, whoever notices it", async () => {
    const [argument, flag] = await Promise.all([
      probe(["--do", "argument"]),
      probe(["--do", "succeed", "--no-such-flag"]),
    ]);
    expect(argument).toMatchObject({
      code: 2,
      stderr:
        "error: workers: expected 1 or more, found -1 [invalid-argument]\n" +
        "  try: the command with --help says what each argument and flag takes\n",
    });
    expect(flag.code).toBe(2);
    expect(flag.stderr).toContain("--no-such-flag");
    expect(flag.stderr).not.toContain("    at ");
  });

  test("takes the last of a flag given twice, as Python's argparse does", async () => {
    expect(await probe(["--do", "bug", "--do=succeed"])).toMatchObject({ code: 0, stderr: "" });
  });

  test("says that a defect is one, without a stack", async () => {
    const result = await probe(["--do", "bug"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /^error: unexpected TypeError: .*\(a defect; --debug shows where\)\n$/,
    );
  });

  test("ends by itself after an error, and by force if something is left", async () => {
    const [drained, left] = await Promise.all([
      probe(["--do", "drain"]),
      probe(["--do", "leftover"]),
    ]);
    expect(drained.code).toBe(2);
    expect(drained.stderr).toMatch(/ended by itself\n$/);
    expect(left).toMatchObject({ code: 2, signal: null });
  });

  test("aborts its work on the first signal and ends with the code of that signal", async () => {
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["SIGHUP", 129],
    ] as const) {
      const result = await probe(["--do", "wait"], {
        onStderr: (child, stderr) => {
          if (stderr === "waiting\n") child.kill(signal);
        },
      });
      expect(result).toMatchObject({ code, stderr: `waiting\ninterrupted (${signal})\n` });
    }
  });

  test("ends at once when the same signal comes again, a second later, and not for its echoes", async () => {
    let isAsked = false;
    const result = await probe(["--do", "hang"], {
      onStderr: (child) => {
        if (isAsked) return;
        isAsked = true;
        // What npm and mpirun make of one Ctrl-C, and then a second one.
        child.kill("SIGINT");
        setTimeout(() => child.kill("SIGINT"), 100);
        setTimeout(() => child.kill("SIGTERM"), 300);
        // Again where the first one was noticed late.
        setTimeout(() => {
          const asking = setInterval(() => child.kill("SIGINT"), 500);
          child.kill("SIGINT");
          child.once("close", () => clearInterval(asking));
        }, 1300);
      },
    });
    expect(result).toMatchObject({
      signal: "SIGINT",
      stderr: "waiting\nended at once by a second SIGINT: what was in progress is lost\n",
    });
  });
});
