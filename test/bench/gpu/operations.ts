/**
 * Every operation and optimizer of the fixtures on a device, against torch in float64: operations.ts
 * DEVICE. Prints {"worst": ..., "of": ..., "failures": [...]}.
 */
import { openDevice } from "../../../src/tensor/index.ts";
import { goldenProgram, hostArray, readGoldens } from "../../src/tensor/golden.fixture.ts";

const [device = "torch-cpu"] = process.argv.slice(2);
const LIMIT = 1e-5;
await using executor = await openDevice(device, { deterministic: true });
const failures: string[] = [];
let [worst, of] = [0, ""];
for (const golden of readGoldens().cases) {
  const program = goldenProgram(golden);
  await using state = await executor.createState(program.parameters);
  const floats = new Map<string, Float32Array>();
  const inputs: Record<string, ReturnType<typeof hostArray>> = {};
  for (const [name, given] of Object.entries(golden.inputs)) {
    if (given.dtype !== "float32") inputs[name] = hostArray(given);
    else if (state.names.includes(name)) floats.set(name, Float32Array.from(given.data));
  }
  await state.write("values", floats);
  const { seed = 0, step = 0, microBatch = 0 } = golden.attributes;
  const key = { seed, step, microBatch };
  const { output } = await state.run(await executor.compile(program), inputs, key);
  const gradients = await state.read("gradients");
  const pairs = [
    ["output", output, golden.output] as const,
    ...Object.entries(golden.gradients ?? {}).map(
      ([name, wanted]) => [`gradient of ${name}`, gradients.get(name), wanted] as const,
    ),
  ];
  for (const [what, found, { data }] of pairs) {
    const largest = data.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-30);
    const apart = data.map((value, at) => Math.abs(value - (found?.[at] ?? Number.NaN)) / largest);
    const error = apart.reduce(
      (top, value) => (value > top || Number.isNaN(value) ? value : top),
      0,
    );
    if (!(error <= LIMIT)) failures.push(`${golden.name}, ${what}: ${error}`);
    if (error > worst) [worst, of] = [error, `${golden.name}, ${what}`];
  }
}
console.log(JSON.stringify({ worst, of, failures }));
