/**
 * Full training steps, or inference, of a program of ESM-2's shape on the executor `onnx`:
 * train-node.ts SIZE BATCH LENGTH STEPS train|infer. Prints {"seconds": [...], "rssMiB": ...}.
 */
import { elementCount, openExecutor, type Program } from "../../../src/tensor/index.ts";
import { ESM2_SHAPES, type Esm2Shape, esm2Program } from "./esm2-program.ts";

const [size = "8M", batch = 8, length = 128, steps = 8, mode = "train"] = process.argv.slice(2);
const train = mode !== "infer";
const shape: Esm2Shape = ESM2_SHAPES[size as keyof typeof ESM2_SHAPES]; // proof: the bench's sizes
const program = esm2Program(shape, Number(batch), Number(length), train);
const tokens = Number(batch) * Number(length);
let state = 1;

function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}

function initial({ parameters }: Program): Map<string, Float32Array> {
  return new Map(
    parameters.map(({ name, value }) => [
      name,
      Float32Array.from({ length: elementCount(value.shape) }, () => {
        if (value.shape.length > 1) return (random() - 0.5) * 0.07;
        return /norm\d?\.weight/.test(name) ? 1 : 0;
      }),
    ]),
  );
}

const ids = Int32Array.from({ length: tokens }, () => 4 + Math.floor(random() * 20));
const labels = ids.map((id) => (random() < 0.15 ? id : -100));
const mask = new Uint8Array(tokens).fill(1);
await using executor = await openExecutor("onnx", { threads: 2 });
await using weights = await executor.createState(program.parameters, { inferenceOnly: !train });
await weights.write("values", initial(program));
const executable = await executor.compile(program);
const seconds: number[] = [];
const losses: number[] = [];
let updates = 0;
for (let step = 1; step <= Number(steps) + 2; step++) {
  const begin = performance.now();
  if (!train) await weights.run(executable, { ids, mask });
  else {
    await weights.zeroGradients();
    const { loss } = await weights.run(executable, { ids, mask, labels }, { step });
    losses.push(loss?.[0] ?? Number.NaN);
    const at = performance.now();
    const adam = { kind: "adamw", betas: [0.9, 0.98], weightDecay: 0.01 } as const;
    await weights.update(adam, { step, learningRate: 4e-4, maxGradientNorm: 1 });
    updates = performance.now() - at;
  }
  if (step > 2) seconds.push((performance.now() - begin) / 1000);
}
const rssMiB = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ seconds, rssMiB, losses, lastUpdateMs: updates }));
