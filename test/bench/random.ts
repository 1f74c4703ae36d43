/**
 * Random numbers and orders: this package, numpy, torch and Python, one thread each, in turn.
 *
 *     SCDL_PYTHON=.../bin/python node test/bench/random.ts [speed] [mixing] [long]   (default: all)
 *
 * Without SCDL_PYTHON (numpy, torch) the other side is reported as not measured.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { defaultRng } from "../../src/random/numpy-generator.ts";
import { PythonRandom } from "../../src/random/python-random.ts";
import { TorchGenerator } from "../../src/random/torch-generator.ts";
import { BlockShuffledSampler } from "../../src/sampling/block-shuffled-sampler.ts";
import { permute } from "../../src/sampling/permute.ts";
import type { Sampler } from "../../src/sampling/sampler.ts";
import { SequentialSampler } from "../../src/sampling/sequential-sampler.ts";
import { ShuffledSampler } from "../../src/sampling/shuffled-sampler.ts";

const N = 10_000_000;
const ROUNDS = 5;
const fill = (sampler: Sampler) => {
  const out = new Float64Array(4096);
  for (let begin = 0; begin < 1_000_000; begin += 4096) sampler.fill(0, begin, out);
};
const permuteMany = (length: number) => {
  let sum = 0;
  for (let i = 0; i < 100_000; i++) sum += permute(i, length, 191664963);
  return sum;
};

/** What is done, here and (as a statement after `setup`) in Python. */
const WORK: readonly (readonly [string, () => unknown, string | null])[] = [
  [
    "numpy permutation, 10 M",
    () => defaultRng(1).permutation(N),
    "numpy.random.default_rng(1).permutation(N)",
  ],
  [
    "numpy integers below 1000003, 10 M",
    () => defaultRng(1).integers(0, 1_000_003, N),
    "numpy.random.default_rng(1).integers(0, 1000003, N)",
  ],
  [
    "numpy random, 10 M",
    () => defaultRng(1).fillRandom(new Float64Array(N)),
    "numpy.random.default_rng(1).random(N)",
  ],
  [
    "default_rng([seed, epoch, i]) and one draw, 10 k",
    () => {
      for (let i = 0; i < 10_000; i++) defaultRng([42, 1, i]).integer(0, 1e9);
    },
    "[numpy.random.default_rng([42, 1, i]).integers(10**9) for i in range(10000)]",
  ],
  [
    "torch randperm, 10 M",
    () => TorchGenerator.fromSeed(1).randperm(N),
    "torch.randperm(N, generator=torch.Generator().manual_seed(1))",
  ],
  [
    "torch rand, 10 M",
    () => TorchGenerator.fromSeed(1).rand(N),
    "torch.rand(N, generator=torch.Generator().manual_seed(1))",
  ],
  [
    "Python shuffle, 100 k",
    () => PythonRandom.fromSeed(1).shuffle(Array.from({ length: 100_000 }, (_, i) => i)),
    "random.Random(1).shuffle(list(range(100000)))",
  ],
  [
    "permute, 100 k of 2^26",
    () => permuteMany(2 ** 26),
    "[permute(i, 2**26, 191664963) for i in range(100000)]",
  ],
  [
    "permute, 100 k of 2^26 + 1",
    () => permuteMany(2 ** 26 + 1),
    "[permute(i, 2**26 + 1, 191664963) for i in range(100000)]",
  ],
  ["ShuffledSampler, 1 M of 100 M", () => fill(new ShuffledSampler(1e8)), null],
  ["BlockShuffledSampler, 1 M of 100 M", () => fill(new BlockShuffledSampler(1e8)), null],
];

const parts = process.argv.length > 2 ? process.argv.slice(2) : ["speed", "mixing", "long"];
if (parts.includes("speed")) speed();
if (parts.includes("mixing")) mixing();
if (parts.includes("long")) long();

function speed(): void {
  console.log("| work | here, ms | Python library, ms | times as fast |\n|---|---|---|---|");
  for (const [name, run, statement] of WORK) {
    let here = Number.POSITIVE_INFINITY;
    let there: number | null = null;
    // Twice round, so that neither has the machine at its only good moment.
    for (let turn = 0; turn < 2; turn++) {
      for (let round = 0; round < ROUNDS; round++) {
        const begin = performance.now();
        run();
        here = Math.min(here, performance.now() - begin);
      }
      const other = statement === null ? null : pythonMs(statement);
      if (other !== null) there = Math.min(there ?? other, other);
    }
    const times = there === null ? 0 : there / here;
    const ratio = there === null ? "" : times.toFixed(times < 10 ? 2 : 0);
    console.log(`| ${name} | ${here.toFixed(2)} | ${there?.toFixed(2) ?? ""} | ${ratio} |`);
  }
}

/** Best time of a Python statement; null when it cannot run. `permute` needs BioNeMo on its path. */
function pythonMs(statement: string): number | null {
  const python = process.env["SCDL_PYTHON"];
  if (python === undefined) return null;
  const library = ["numpy", "torch", "random"].find((name) => statement.includes(`${name}.`));
  const code = [
    "import timeit",
    library === undefined ? "from bionemo.core.data.permute import permute" : `import ${library}`,
    ...(library === "torch" ? ["torch.set_num_threads(1)"] : []),
    ...(library === "numpy" ? ["import numpy.random"] : []),
    `N = ${N}`,
    `print(min(timeit.repeat(lambda: ${statement}, number=1, repeat=${ROUNDS})) * 1e3)`,
  ].join("\n");
  const done = spawnSync(python, ["-c", code], { encoding: "utf8" });
  return done.status === 0 ? Number(done.stdout) : null;
}

/**
 * torch permutes from 214,748,364 on in another way. Too long for the tests: 0.9 GB. The hash is of
 * `torch.randperm(214748365, dtype=torch.int32, generator=torch.Generator().manual_seed(5))`, 2.15.0.
 */
function long(): void {
  const begin = performance.now();
  const bytes = new Uint8Array(TorchGenerator.fromSeed(5).randperm(214_748_365).buffer);
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  const hash = createHash("sha256");
  const step = 2 ** 28;
  for (let at = 0; at < bytes.length; at += step) hash.update(bytes.subarray(at, at + step));
  if (hash.digest("hex").slice(0, 16) !== "810a5f145fc51d35") {
    throw new Error("randperm(214748365) is not torch's");
  }
  console.log(`\ntorch randperm, 214,748,365: ${seconds} s, the same as torch's`);
}

/** Rows stored plate by plate: how mixed a batch is, and how many places it is read from. */
function mixing(): void {
  const rows = 1_000_000;
  const plates = 14;
  const batch = 64;
  const orders: (readonly [string, Sampler])[] = [
    ["shuffled", new ShuffledSampler(rows)],
    ["sequential", new SequentialSampler(rows)],
  ];
  for (const [blockRows, windowBlocks] of [
    [64, 256],
    [64, 64],
    [1024, 64],
    [16, 16],
    [64, 0],
  ] as const) {
    const sampler = new BlockShuffledSampler(rows, { blockRows, windowBlocks });
    orders.push([`blocks of ${blockRows}, windows of ${windowBlocks}`, sampler]);
  }
  console.log("\n| order | entropy of plates, of random order | places per batch |\n|---|---|---|");
  let random = 0;
  for (const [name, sampler] of orders) {
    const out = new Float64Array(batch);
    let entropy = 0;
    let places = 0;
    let batches = 0;
    for (let begin = 0; begin + batch <= rows; begin += 5 * batch) {
      sampler.fill(0, begin, out);
      const counts = new Float64Array(plates);
      for (const row of out) {
        const plate = Math.floor((row * plates) / rows);
        counts[plate] = (counts[plate] ?? 0) + 1;
      }
      for (const count of counts) {
        if (count > 0) entropy -= (count / batch) * Math.log2(count / batch);
      }
      out.sort();
      places += out.filter((row, i) => i === 0 || row !== (out[i - 1] ?? 0) + 1).length;
      batches++;
    }
    if (random === 0) random = entropy / batches;
    const share = (100 * entropy) / batches / random;
    console.log(`| ${name} | ${share.toFixed(1)} % | ${(places / batches).toFixed(1)} |`);
  }
}
