import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { bars, type Row } from "./bars.ts";
import { gpuOptions, usageText } from "./options.ts";
import { Programs } from "./programs.ts";
import { page } from "./report.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-bench-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function script(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test("a program that hangs, crashes or has no time is told, with what it printed before", async () => {
  const limits = { python: process.execPath, limitMs: 60_000, totalMs: 60_000 };
  const programs = new Programs(limits);
  // In Python's place: `theirs()` runs any file by its whole path.
  const run = (path: string, seconds?: number) => programs.theirs(path, [], seconds);
  const fine = script("fine.mjs", `console.log("begins"); console.log('{"a":1}')`);
  const crash = script(
    "crash.mjs",
    `console.log('{"a":2}'); console.error("[E] Exception in aoti_torch: no kernel\\nframe #0"); process.exit(3)`,
  );
  const hangs = script("hangs.mjs", `console.log('{"a":3}'); setInterval(() => {}, 1000)`);
  expect(await run(fine)).toEqual({ a: 1 });
  expect(await run(crash)).toEqual({
    a: 2,
    error: expect.stringMatching(/crash\.mjs: no kernel$/),
  });
  expect(await run(hangs, 0.5)).toMatchObject({
    a: 3,
    error: expect.stringContaining("stopped after"),
  });
  const late = new Programs({ ...limits, totalMs: 0 });
  expect(await late.theirs(fine, [])).toEqual({ error: expect.stringContaining("no time left") });
});

const step = (part: string, program: string, stepMs: number, tokensPerSecond = 1): Row => ({
  ...{ part, program, precision: "bf16-mixed", stepMs, tokensPerSecond, utilisation: 0.5 },
});

function found(rows: readonly Row[], what: string) {
  const all = bars(rows).filter((bar) => bar.what.includes(what));
  expect(all).toHaveLength(1);
  return all[0];
}

test("a bar passes, is missed, or was not measured; the last row of a program counts", () => {
  const rows = [step("8M", "scdl", 9), step("8M", "scdl", 4), step("8M", "PyTorch eager", 5)];
  expect(found(rows, "ESM-2 8M, 32 x 512")).toMatchObject({
    result: "pass",
    found: "1.25 x: 4.000 ms, eager 5.000 ms",
  });
  expect(found([...rows, step("8M", "PyTorch eager", 3)], "8M, 32 x 512")?.result).toBe("miss");
  expect(found(rows.slice(0, 2), "8M, 32 x 512")?.result).toBe("not measured");
  const low = rows.map((row) => ({ ...row, precision: "32" }));
  expect(found(low, "8M, 32 x 512")?.result).toBe("not measured");
  expect(bars([]).map(({ result }) => result)).toEqual(bars([]).map(() => "not measured"));
  expect(bars([]).length).toBeGreaterThan(30);
});

test("figures decide: packing, memory, waiting, kernels", () => {
  const packed = [step("packed", "scdl", 1, 210), step("packed", "PyTorch eager", 1, 100)];
  expect(found(packed, "650M packed")?.result).toBe("pass");
  expect(found([...packed, step("packed", "scdl", 1, 190)], "650M packed")?.result).toBe("miss");
  const seen = (...bytes: number[]): Row => ({
    part: "memory",
    seen: bytes.map((allocatedBytes) => ({ liveTensors: 7, allocatedBytes, reservedBytes: 9 })),
  });
  expect(found([seen(5, 5)], "tensors and bytes")?.result).toBe("pass");
  expect(found([seen(5, 6)], "tensors and bytes")?.result).toBe("miss");
  const long = (mib: (at: number) => number): Row => ({
    ...{ part: "long", stepMs: 100, shares: { data: 0.01 } },
    memory: Array.from({ length: 10 }, (_, at) => ({ usedMiB: mib(at) })),
  });
  expect(found([long(() => 900)], "GPU's memory")?.result).toBe("pass");
  expect(found([long((at) => 900 + 10 * at)], "GPU's memory")?.result).toBe("miss");
  expect(found([long(() => 900)], "wait for data")).toMatchObject({
    result: "pass",
    found: "1.0 % of 100.0 ms",
  });
  const smoke = ["pass", "fail"].map((result) => ({
    part: "smoke",
    family: "flash",
    result,
    worst: 1,
  }));
  expect(found(smoke, "kernels that only")).toMatchObject({
    result: "miss",
    found: "1 of 2; not: flash (1)",
  });
});

test("the page says what it is of, every bar, and what failed", () => {
  const cpu = page([{ part: "devices", device: "torch-cpu", description: "a CPU" }]);
  expect(cpu).toContain("no figure of a GPU");
  const failed = page([{ part: "8M", program: "scdl", error: "no | kernel" }]);
  expect(failed).toContain("- 8M scdl: no | kernel");
  expect(failed.match(/\| not measured \|/g)?.length).toBe(bars([]).length);
});

test("options are read, and what is none is told with all that there are", () => {
  expect(gpuOptions(["--precision", "32", "--time-limit", "7", "smoke"])).toMatchObject({
    ...{ device: "cuda", call: 1, precisions: ["32"], timeLimit: 7, totalLimit: 570 },
    parts: ["smoke"],
  });
  expect(gpuOptions(["--help"])).toEqual({ error: null });
  for (const [args, error] of [
    [["--bogus"], "'--bogus'"],
    [["--call"], "--call"],
    [["--call", "9"], "--call 9: expected 0 to 3"],
    [["--total-limit", "soon"], "--total-limit soon: expected seconds"],
    [["--precision", "8"], "--precision 8: expected bf16-mixed or 32"],
  ] as const) {
    expect(gpuOptions(args)).toEqual({ error: expect.stringContaining(error) });
  }
  const text = usageText(["smoke", "8M"]);
  for (const option of ["--call", "--out", "--total-limit", "--time-limit", "--precision"]) {
    expect(text).toContain(option);
  }
  expect(text).toContain("parts: smoke, 8M");
});
