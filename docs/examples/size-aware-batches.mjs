// Batches that fill the memory of a device: the peaks of training steps are measured, a line is fitted
// to them, and proteins are put into rows up to the memory that there is.
//
//     node docs/examples/size-aware-batches.mjs [DEVICE [BYTES]]
//
// DEVICE is torch-cpu or cuda; a PyTorch must be there (docs/devices.md).
import { argv, stdout } from "node:process";
import { defaultRng, packBatch, SizeAwareBatchSampler } from "scdl";
import { Esm2, initialParameters } from "scdl/models";
import { addGradients, collectPeakMemory, openDevice, ProgramBuilder } from "scdl/tensor";

const [device = "torch-cpu", most = "20e6"] = argv.slice(2);
const model = new Esm2({ layers: 2, hiddenSize: 64, heads: 4, intermediateSize: 256 });
const random = defaultRng(7);

/** Proteins of these lengths behind one another in one row: memory is the sum of theirs. */
function rowOf(lengths) {
  const items = lengths.map((length) => {
    const text = Int32Array.from({ length }, () => 4 + Math.floor(20 * random.random()));
    return {
      text,
      labels: text,
      lossMask: Uint8Array.from(text, (_, at) => (at % 7 === 0 ? 1 : 0)),
    };
  });
  return packBatch(items);
}

function programOf(size) {
  const builder = new ProgramBuilder();
  const { loss } = model.build(builder, size, "train");
  addGradients(builder, loss);
  builder.output("loss", loss);
  return builder.build();
}

await using executor = await openDevice(device, { countMemory: true, threads: 1 });
const { parameters } = programOf(model.sizeOf(rowOf([8])));
await using state = await executor.createState(parameters);
await state.write("values", initialParameters(model.parameters, 1));

/** A training step. */
async function step(batch) {
  const size = model.sizeOf(batch);
  await state.zeroGradients();
  await state.run(await executor.compile(programOf(size)), model.inputs(batch, size, "train"));
  await state.update({ kind: "adamw" }, { step: 1, learningRate: 0 });
  return batch.text.length;
}

// The first step makes the moments, which stay: measure after it.
await step(rowOf([16]));
const samples = [2, 3, 4, 6, 8, 12].map((count) => rowOf(proteins(count)));
const { features, peakBytes } = await collectPeakMemory(samples, step, {
  executor,
  onSkipped: (batch, error) => stdout.write(`${batch.text.length} tokens: ${error.message}\n`),
});

const [fixed, each] = fitLine(features, peakBytes);
stdout.write(`peak = ${mb(fixed)} MB + ${each.toFixed(0)} B a token\n`);
for (const [at, tokens] of features.entries()) {
  stdout.write(
    `${tokens} tokens: ${mb(peakBytes[at])} MB, fitted ${mb(fixed + each * tokens)} MB\n`,
  );
}

// What a protein adds; what is there without any is taken off the memory once.
const lengths = proteins(40);
const sizeOf = (row) => each * lengths[row];
const batches = new SizeAwareBatchSampler([...lengths.keys()], sizeOf, Number(most) - fixed);
for (const rows of batches) {
  const estimate = rows.reduce((sum, row) => sum + sizeOf(row), fixed);
  await executor.takeMemoryUse();
  await step(rowOf(rows.map((row) => lengths[row])));
  const { peakBytes: peak } = await executor.takeMemoryUse();
  stdout.write(`${rows.length} proteins: estimated ${mb(estimate)} MB, took ${mb(peak)} MB\n`);
}

/** Lengths of proteins. */
function proteins(count) {
  return Array.from({ length: count }, () => 30 + Math.floor(300 * random.random()));
}

/** Least squares. Attention is fused: memory is linear in the tokens, with padding it is in rows x longest. */
function fitLine(x, y) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const slope =
    mean(x.map((value, at) => (value - meanX) * (y[at] - meanY))) /
    mean(x.map((value) => (value - meanX) ** 2));
  return [meanY - slope * meanX, slope];
}

function mb(bytes) {
  return (bytes / 1e6).toFixed(2);
}
