// A data set of your own and a data module of your own, tested with scdl/testing.
//
//     node docs/examples/own-dataset.mjs
import { stdout } from "node:process";
import {
  DataModule,
  defaultRng,
  ItemLoader,
  RunSampler,
  SequentialSampler,
  ShuffledSampler,
} from "scdl";
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

class ProteinModule extends DataModule {
  async setup(stage) {
    const dataset = new MaskedProteins(["MKTAYIAK", "GAVLIPFW", "MEDINKRH", "SSTCYQNG"]);
    const options = { batchSize: 2, collate: (items) => items };
    if (stage === "fit") {
      // Two epochs in one sequence, each in its own order.
      const order = new RunSampler(new ShuffledSampler(dataset.length, { seed: SEED }), 8);
      this.provide("train", new ItemLoader(dataset, order, options));
    } else {
      const order = new SequentialSampler(dataset.length);
      this.provide("test", new ItemLoader(dataset, order, options));
    }
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
  if (module.state().train.batch === 2) break;
}

// Another process goes on with the second epoch.
const state = JSON.stringify(module.state());
await using resumed = new ProteinModule();
await resumed.setup("fit");
resumed.loadState(JSON.parse(state));
for await (const batch of resumed.trainLoader()) stdout.write(`${batch.join(" ")} (resumed)\n`);
