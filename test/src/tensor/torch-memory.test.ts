import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  collectPeakMemory,
  linear,
  matmul,
  openExecutor,
  ProgramBuilder,
  rotary,
  sum,
} from "../../../src/tensor/index.ts";
import { errorOfLibtorch } from "../../../src/tensor/torch/errors.ts";
import { REPOSITORY_ROOT, runProcess } from "../../helpers/run-process.ts";
import { TORCH_DEVICES } from "./torch.fixture.ts";

const [INNER, OUTER] = [64, 256];

/** x [rows, 64] times w: [rows, 256], and its sum. */
function product(rows: number) {
  const builder = new ProgramBuilder();
  const x = builder.input("x", "float32", [rows, INNER]);
  builder.output("sum", sum(linear(x, builder.parameter("w", [OUTER, INNER]))));
  return builder.build();
}

/** The outer product of a vector of 4 Mi numbers with itself: 64 TiB. */
function tooLarge() {
  const builder = new ProgramBuilder();
  const x = builder.input("x", "float32", [2 ** 22, 1]);
  builder.output("sum", sum(matmul(x, x, { transposeB: true })));
  return builder.build();
}

describe.each(TORCH_DEVICES)("memory of torch on %s", (device) => {
  const options = { device, threads: 1, countMemory: true } as const;

  test("peaks are the bytes of the tensors that are alive together", async () => {
    await using executor = await openExecutor("torch", options);
    const [parameter] = product(1).parameters;
    await executor.takeMemoryUse?.();
    await using state = await executor.createState(parameter === undefined ? [] : [parameter]);
    const weights = OUTER * INNER * 4;
    const before = await executor.takeMemoryUse?.();
    expect(before?.allocatedBytes).toBe(weights);
    const sizes = [8, 64, 32, 2 ** 22, 16];
    const skipped: number[] = [];
    const { features, peakBytes } = await collectPeakMemory(
      sizes,
      async (rows) => {
        const program = rows === 2 ** 22 ? tooLarge() : product(rows);
        const inputs = { x: new Float32Array(rows === 2 ** 22 ? rows : rows * INNER) };
        await state.run(await executor.compile(program), inputs);
        return rows;
      },
      { executor, onSkipped: (rows) => skipped.push(rows) },
    );
    expect({ features, skipped }).toEqual({ features: [8, 64, 32, 16], skipped: [2 ** 22] });
    for (const [at, rows] of features.entries()) {
      // On the CPU inputs lie in JavaScript's memory. A GPU's allocator rounds up to 512 bytes.
      const tensors = weights + rows * (OUTER + (device === "cpu" ? 0 : INNER)) * 4;
      const others = device === "cpu" ? 64 : 4096;
      expect((peakBytes[at] ?? 0) - tensors, `${rows} rows`).toBeGreaterThanOrEqual(0);
      expect((peakBytes[at] ?? 0) - tensors, `${rows} rows`).toBeLessThanOrEqual(others);
    }
    expect((await executor.takeMemoryUse?.())?.allocatedBytes).toBe(weights);
  });

  test("rows whose length keeps changing leave no tables behind", async () => {
    await using executor = await openExecutor("torch", { ...options, cachedPrograms: 1 });
    await using state = await executor.createState([]);
    const kept: number[] = [];
    for (const length of [40, 33, 64, 47, 50, 64]) {
      const builder = new ProgramBuilder();
      const x = builder.input("x", "float32", [1, length, 1, 8]);
      builder.output("sum", sum(rotary(x)));
      const inputs = { x: new Float32Array(length * 8).fill(1) };
      await state.run(await executor.compile(builder.build()), inputs);
      kept.push((await executor.takeMemoryUse?.())?.allocatedBytes ?? 0);
    }
    expect(new Set(kept).size).toBe(1);
  });

  test("an allocation that fails in a run is told with the bytes asked for and free", async () => {
    for (const countMemory of [false, true]) {
      await using executor = await openExecutor("torch", { ...options, countMemory });
      await using state = await executor.createState([]);
      const executable = await executor.compile(tooLarge());
      const run = state.run(executable, { x: new Float32Array(2 ** 22) });
      await expect(run).rejects.toMatchObject({
        code: "out-of-memory",
        message: expect.stringMatching(
          /^out of memory in aten::\w+: asked for 64\.00 TiB, \d+\.\d\d [KMGT]iB free$/,
        ),
      });
    }
  });
});

test.runIf(TORCH_DEVICES.length > 0)(
  "docs/examples/size-aware-batches.mjs: batches take the memory that was estimated",
  async () => {
    const example = join(REPOSITORY_ROOT, "docs/examples/size-aware-batches.mjs");
    const { code, stdout, stderr } = await runProcess(process.execPath, [example]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const rows = [
      ...stdout.matchAll(/(?:estimated|fitted|tokens:) (\S+) MB, (?:took|fitted) (\S+) MB$/gm),
    ];
    expect(rows.length).toBeGreaterThan(8);
    for (const [line, one, other] of rows) {
      expect(Math.abs(Number(one) / Number(other) - 1), line).toBeLessThan(0.05);
    }
  },
);

test("executors that do not count memory say so", async () => {
  await using executor = await openExecutor("reference");
  const peaks = collectPeakMemory([1], () => 1, { executor });
  await expect(peaks).rejects.toMatchObject({
    name: "UnsupportedFeatureError",
    message: "the executor reference does not count its memory",
  });
});

test.each([
  [
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 139.80 GiB of " +
      "which 3.25 GiB is free. Process 7 has 1.00 GiB memory in use.",
    "out of memory in aten::mm: asked for 20.00 GiB, 3.25 GiB free",
  ],
  [
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you " +
      "tried to allocate 4096 bytes. Error code 12 (Cannot allocate memory)",
    "out of memory in aten::mm: asked for 4.00 KiB, 512 bytes free",
  ],
  ["CUDA error: out of memory", "out of memory in aten::mm, 512 bytes free"],
])("libtorch's message %j", (said, message) => {
  const error = errorOfLibtorch("aten::mm", said, { failed: null, freeBytes: () => 512 });
  expect(error).toMatchObject({ code: "out-of-memory", message });
});

test("what fails for another reason keeps it, and without one says where to look", () => {
  const nothing = { failed: null, freeBytes: () => 512 };
  expect(errorOfLibtorch("aten::mm", "sizes differ\nframe", nothing)).toMatchObject({
    code: "libtorch",
    message: "libtorch: aten::mm: sizes differ",
  });
  expect(errorOfLibtorch("aten::mm", null, nothing)).toMatchObject({
    code: "libtorch",
    message: "libtorch: aten::mm failed; it printed the reason above",
  });
});
