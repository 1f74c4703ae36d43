/**
 * Runs the tests on WebGPU: on the GPU of this machine, else on a driver that computes on the
 * processor, else not at all, which is said. `npm run webgpu`
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { softwareDriver } from "./software-driver.ts";

const TESTS = ["test/src/tensor/webgpu-executor.test.ts", "test/src/tensor/webgpu-models.test.ts"];
const PROBE = `
  const { openExecutor } = await import("./src/tensor/index.ts");
  await using executor = await openExecutor("onnx", { device: "webgpu" });
`;

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

/** Why WebGPU does not run with these variables, or null. */
function problemWith(driver: Record<string, string>): string | null {
  const env = { ...process.env, ...driver };
  const args = ["--input-type=module-typescript", "--eval", PROBE];
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
  if (status === 0) return null;
  return /there is no GPU .*/.exec(stderr)?.[0] ?? stderr.trim();
}

function environment(): Record<string, string> {
  const problem = problemWith({});
  if (problem === null) return {};
  console.log(`${problem}\nlooking for a driver that computes on the processor`);
  const driver = softwareDriver();
  const other = problemWith(driver);
  if (other !== null) throw new Error(other);
  return driver;
}

let driver: Record<string, string>;
try {
  driver = environment();
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  console.log(`WebGPU not tested: ${reason}\n0 passed, 0 failed, 1 skipped`);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), "scdl-webgpu-"));
const file = join(folder, "report.json");
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
const vitest = ["node_modules/vitest/vitest.mjs", "run", ...TESTS, "--testTimeout=300000"];
const env = { ...process.env, ...driver, SCDL_TEST_WEBGPU: "1" };
const run = spawnSync(process.execPath, [...vitest, ...reporters], { env, stdio: "inherit" });
const report = JSON.parse(readFileSync(file, "utf8")) as Report; // proof: vitest's report
rmSync(folder, { recursive: true });
const { numPassedTests, numFailedTests, numPendingTests } = report;
console.log(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`);
process.exit(run.status ?? 1);
