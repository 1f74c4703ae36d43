// A data set of your own and a data module of your own, tested with scdl/testing.
//
//     node docs/examples/own-dataset.mjs
import { stdout } from "node:process";
import { DataModule, defaultRng, MultiEpochDatasetResampler } from "scdl";
import { assertDatasetDeterministic, assertDatasetElementsNotEqual } from "scdl/testing";

const SEED = 7;

/** Proteins with some residues masked, others in every epoch: a pure function of the EpochIndex. */
class MaskedProteins {
  constructor(sequences) {
    this.sequences = sequences;
    this.length = sequences.length;
  }

  at({ epoch, idx }) {
    const random = defaultRng([SEED, epoch, idx]);
    const residues = [...this.sequences[idx]];
    return residues.map((residue) => (random.random() < 0.25 ? "#" : residue)).join("");
  }
}

/** Batches of a resampled data set, with the place to go on at. */
class Batches {
  constructor(samples, batchSize) {
    this.samples = samples;
    this.batchSize = batchSize;
    this.next = 0;
  }

  async *[Symbol.asyncIterator]() {
    while (this.next < this.samples.length) {
      const end = Math.min(this.next + this.batchSize, this.samples.length);
      const batch = [];
      for (; this.next < end; this.next++) batch.push(this.samples.at(this.next));
      yield batch;
    }
  }

  state() {
    return { next: this.next };
  }

  loadState({ next }) {
    this.next = next;
  }

  async close() {}
}

class ProteinModule extends DataModule {
  async setup(stage) {
    const dataset = new MaskedProteins(["MKTAYIAK", "GAVLIPFW", "MEDINKRH", "SSTCYQNG"]);
    // Two epochs in one sequence, each in its own order.
    const options = stage === "fit" ? { numEpochs: 2, seed: SEED } : { shuffle: false };
    const batches = new Batches(new MultiEpochDatasetResampler(dataset, options), 2);
    this.provide(stage === "fit" ? "train" : "test", batches);
  }
}

// What a test of your own asserts.
const dataset = new MaskedProteins(["MKTAYIAKQRQISFVKSHFSRQ"]);
await assertDatasetDeterministic(dataset, { epoch: 0, idx: 0 });
await assertDatasetElementsNotEqual(dataset, { epoch: 0, idx: 0 }, { epoch: 1, idx: 0 });

await using module = new ProteinModule();
await module.setup("fit");
for await (const batch of module.trainLoader()) {
  stdout.write(`${batch.join(" ")}\n`);
  if (module.state().train.next === 4) break;
}

// Another process goes on with the second epoch.
const state = JSON.stringify(module.state());
await using resumed = new ProteinModule();
await resumed.setup("fit");
resumed.loadState(JSON.parse(state));
for await (const batch of resumed.trainLoader()) stdout.write(`${batch.join(" ")} (resumed)\n`);
