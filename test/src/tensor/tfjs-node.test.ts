import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { TfjsExecutor } from "../../../src/tensor/tfjs/executor.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

const before = process.cwd();
afterEach(() => process.chdir(before));

/** A folder whose node_modules has a package of this name and text; the process goes there. */
function install(name: string, text: string): void {
  const folder = temporaryDirectory();
  const own = join(folder, "node_modules", ...name.split("/"));
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, "index.js"), text);
  writeFileSync(join(own, "package.json"), JSON.stringify({ name, main: "index.js" }));
  process.chdir(folder);
}

test("tfjs-node finds the functions of util that newer Node has not", async () => {
  const { resolve } = createRequire(import.meta.url);
  const [core, cpu] = ["core", "backend-cpu"].map((part) => resolve(`@tensorflow/tfjs-${part}`));
  install(
    "@tensorflow/tfjs-node",
    `const tf = require(${JSON.stringify(core)});
    const { MathBackendCPU } = require(${JSON.stringify(cpu)});
    const util = require("util");
    if (util.isNullOrUndefined(tf)) throw new Error("wrong answer");
    tf.registerBackend("tensorflow", () => new MathBackendCPU());
    tf.copyRegisteredKernels("cpu", "tensorflow");
    module.exports = tf;`,
  );
  const program = transformer();
  await using executor = await TfjsExecutor.open();
  expect(executor.backend).toBe("node");
  await using state = await executor.createState(program.parameters);
  await state.write("values", randomParameters(program));
  const { loss } = await state.run(await executor.compile(program), TRANSFORMER_INPUTS);
  expect(loss?.[0]).toBeGreaterThan(0);
});

test("a tfjs-node that does not load is an error with its limits", async () => {
  install("@tensorflow/tfjs-node-gpu", `throw new Error("libcudart.so.11.0: not found")`);
  await expect(TfjsExecutor.open({ backend: "node-gpu" })).rejects.toMatchObject({
    name: "UnsupportedFeatureError",
    message: "tfjs: the backend node-gpu does not run here: libcudart.so.11.0: not found",
    suggestions: [
      "tfjs-node is made for Node up to 22, tfjs-node-gpu for CUDA 11.2 with cuDNN 8.1 as well",
      "use the executor torch for a GPU, or the backend wasm",
    ],
  });
});
