import { existsSync, statfsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defaultExclude, defineConfig } from "vitest/config";

// Many tests start the command line or worker threads: compiled once, they start in half the time.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(
  new URL("node_modules/.cache/node-compile", import.meta.url),
);

// Memory where there is enough: flushing small files to a busy disk takes time and tests nothing.
const MEMORY = "/dev/shm";
if (existsSync(MEMORY) && freeBytes(MEMORY) >= 2 ** 30) process.env["TMPDIR"] ??= MEMORY;

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/**
 * Files that need a process of their own, since they measure memory, count threads and open files,
 * or change the environment or the clock. All others follow one another in a few processes, which
 * load the modules once: a fifth less work. A process has one libtorch: tests of damaged ones have their own.
 */
const OWN_PROCESS = [
  "test/fuzz/damage.test.ts",
  "test/formats/bytes/*.test.ts",
  "test/formats/common/make-directories.test.ts",
  "test/formats/h5ad/malformed.test.ts",
  "test/formats/hdf5/*.test.ts",
  "test/src/convert/conversion.test.ts",
  "test/src/data/loader.test.ts",
  "test/src/dataset/large-dataset.test.ts",
  "test/src/dataset/single-cell-dataset.test.ts",
  "test/src/distributed/*.test.ts",
  "test/src/infer/infer-esm2.test.ts",
  "test/src/infer/prediction-files.test.ts",
  "test/src/tensor/find-libtorch.test.ts",
  "test/src/tensor/tfjs-*.test.ts",
  "test/src/tensor/torch-*.test.ts",
  "test/src/tensor/webgpu-missing.test.ts",
  "test/src/train/runs/ranks-memory.test.ts",
  "test/src/train/trainer.test.ts",
  "test/src/webdataset/stages.test.ts",
  "test/src/webdataset/web-dataset.test.ts",
];

export default defineConfig({
  test: {
    disableConsoleIntercept: true,
    // Only what hangs takes so long, also on a machine that others use; vitest gives hooks 10 s.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // The default leaves a core to vitest, which has little to do: half of a machine with two.
    maxWorkers: "100%",
    projects: [
      {
        extends: true,
        test: {
          name: "shared",
          include: ["test/**/*.test.ts"],
          exclude: [...defaultExclude, ...OWN_PROCESS],
          isolate: false,
        },
      },
      { extends: true, test: { name: "own", include: OWN_PROCESS } },
    ],
  },
});
