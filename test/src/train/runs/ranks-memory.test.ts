import { afterEach, expect, test, vi } from "vitest";
import type { Communicator } from "../../../../src/distributed/communicator.ts";
import type { ParameterSpec } from "../../../../src/models/index.ts";
import { openExecutor } from "../../../../src/tensor/index.ts";
import { processMemory } from "../../../../src/tensor/memory-limit.ts";
import { trainEsm2 } from "../../../../src/train/runs/train-esm2.ts";
import { Trainer } from "../../../../src/train/trainer.ts";
import { joinRanks, settledOnRanks } from "../../../helpers/ranks.ts";
import { DigitDataModule, DigitModel } from "../digits.fixture.ts";

afterEach(() => vi.unstubAllEnvs());

/** Two processes, so many of them on this machine. */
function launched(here: number): void {
  const place = { RANK: "0", WORLD_SIZE: "2", LOCAL_RANK: "0", LOCAL_WORLD_SIZE: String(here) };
  for (const [name, value] of Object.entries(place)) vi.stubEnv(name, value);
}

/** What a process can have: training takes two thirds of it, and 16 bytes a parameter. */
const trainable = (2 * processMemory().bytes) / 3 / 16;

test("a run whose processes do not fit together on a machine ends before it reads data", async () => {
  const hiddenSize = 1024;
  const model = { layers: Math.round(trainable / (12 * hiddenSize ** 2)), hiddenSize, heads: 16 };
  // proof: no more is asked of it before the data is read
  const communicator = { rank: 0, worldSize: 2 } as Communicator;
  const data = "no-such.fasta";
  const options = { model, data, microBatchSize: 1, maxSeqLength: 3, communicator };
  launched(2);
  await expect(trainEsm2(options)).rejects.toMatchObject({
    code: "out-of-memory",
    message: expect.stringContaining("in each of 2 processes here"),
  });
  launched(1);
  await expect(trainEsm2(options)).rejects.toMatchObject({ message: expect.stringMatching(data) });
});

test("so does a trainer of processes before it makes weights", async () => {
  launched(2);
  const large: ParameterSpec = {
    ...{ name: "large", shape: [Math.round(trainable / 1000), 1000] },
    ...{ init: { kind: "zeros" }, decay: true, trained: true },
  };
  const model = new DigitModel();
  Object.defineProperty(model, "parameters", { value: [large] });
  await using executor = await openExecutor("reference");
  const createState = vi.spyOn(executor, "createState");
  const fits = await settledOnRanks(await joinRanks(2), async (communicator) => {
    const { rank, worldSize } = communicator;
    await using data = new DigitDataModule({ maxSteps: 1, rank, worldSize });
    await using trainer = new Trainer({
      ...{ model, data, executor, communicator, maxSteps: 1 },
      ...{ optimizer: { kind: "adamw" }, schedule: () => 0.05 },
    });
    await trainer.fit();
  });
  const told = fits.map((fit) => (fit.status === "rejected" ? String(fit.reason) : "fits"));
  expect(told.join("\n")).toContain("in each of 2 processes here");
  expect(createState).not.toHaveBeenCalled();
});
