import { describe, expect, test } from "vitest";
import { processesHere } from "../../../../src/distributed/environment.ts";
import { Esm2, esm2Config, type ParameterSpec } from "../../../../src/models/index.ts";
import { type Executor, openExecutor } from "../../../../src/tensor/index.ts";
import {
  addressesTaken,
  addressLimit,
  narrowest,
  processMemory,
} from "../../../../src/tensor/memory-limit.ts";
import {
  type ModelPlace,
  type ModelUse,
  placeOf,
  requireModelMemory,
} from "../../../../src/train/runs/model-memory.ts";
import { trainEsm2 } from "../../../../src/train/runs/train-esm2.ts";
import { run } from "../digits-run.fixture.ts";

function host(bytes: number): ModelPlace {
  const bound = { bytes, owner: "this machine" };
  return { host: bound, device: bound };
}

/** Of 400 bytes, of which 100 are trained: 700 in training. */
const parameters: readonly ParameterSpec[] = [
  { name: "a", shape: [5, 15], init: { kind: "zeros" }, decay: true, trained: false },
  { name: "b", shape: [25], init: { kind: "zeros" }, decay: true, trained: true },
];

function errorOf(use: Partial<ModelUse>, place: ModelPlace) {
  try {
    requireModelMemory({ parameters, trains: true, sharers: 1, ...use }, place);
    return null;
  } catch (error) {
    return error;
  }
}

/** An executor that does what another does. */
function doing(executor: Executor): Executor {
  return {
    name: executor.name,
    compile: (program) => executor.compile(program),
    createState: (parameters, options) => executor.createState(parameters, options),
    close: () => executor.close(),
    [Symbol.asyncDispose]: () => executor.close(),
  };
}

describe("a model and the memory for it", () => {
  test.each<[string, Partial<ModelUse>, number]>([
    ["training: gradients and moments of what is trained", {}, 700],
    ["moments that 4 processes share", { sharers: 4 }, 550],
    ["inference", { trains: false }, 400],
  ])("%s", (_, use, bytes) => {
    expect(errorOf(use, host(bytes))).toBeNull();
    expect(errorOf(use, host(bytes - 1))).toMatchObject({ code: "out-of-memory" });
  });

  test("a GPU holds it, and the host the values that it begins with", () => {
    const gpu = (bytes: number, hostBytes: number) => ({
      ...host(hostBytes),
      device: { bytes, owner: "cuda:1 (A)" },
    });
    expect(errorOf({}, gpu(700, 400))).toBeNull();
    expect(String(errorOf({}, gpu(699, 10_000)))).toContain("cuda:1 (A) has");
    expect(String(errorOf({}, gpu(10_000, 399)))).toContain("the weights of 100 parameters");
  });

  test("sharing moments is advice only where the rest fits", () => {
    // 500 are values and gradients, 200 moments.
    expect(errorOf({}, host(600))).toMatchObject({
      suggestions: [
        expect.stringContaining("a smaller model"),
        expect.stringMatching(/^or 2 processes or more.*--shard-optimizer/),
      ],
    });
    expect(errorOf({}, host(500))).toMatchObject({ suggestions: [expect.anything()] });
    expect(errorOf({ trains: false }, host(100))).toMatchObject({
      suggestions: [expect.anything()],
    });
  });

  test("a GPU is asked by its number; one that is not there is told of elsewhere", () => {
    const gpus = [8, 9].map((totalBytes) => ({
      name: "A",
      totalBytes,
      capability: [9, 0] as const,
    }));
    expect(placeOf({ device: "cuda:1" }, 2, () => gpus).device).toEqual({
      bytes: 9,
      owner: "cuda:1 (A)",
    });
    expect(placeOf({ device: "cuda" }, 1, () => gpus).device?.bytes).toBe(8);
    expect(placeOf({ device: "cuda:2" }, 1, () => gpus).device).toBeNull();
    const { host: machine, device } = placeOf({ device: "torch-cpu" }, 1, () => gpus);
    expect(device).toBe(machine);
    // It may have more than the host.
    const unknown = placeOf({ device: "webgpu" }, 1, () => gpus);
    expect(unknown.device).toBeNull();
    expect(errorOf({}, { ...host(400), device: null })).toBeNull();
    expect(errorOf({}, { ...host(399), device: null })).not.toBeNull();
  });

  test("processes of one machine need its memory for a copy each", () => {
    const shared = (bytes: number, processes: number): ModelPlace => {
      const bound = { bytes, owner: "this machine", processes };
      return { host: bound, device: bound };
    };
    expect(errorOf({}, shared(2100, 3))).toBeNull();
    expect(errorOf({}, shared(2099, 3))).toMatchObject({
      code: "out-of-memory",
      message: expect.stringContaining("in each of 3 processes here, "),
      suggestions: [
        expect.stringContaining("a smaller model"),
        "at most 2 processes on a machine like this one: each has all of the model",
        "or --shard-optimizer, with as many processes as now",
      ],
    });
    // Of 520 each 500 are for values and gradients: 200 of moments leave 20 to each of 10.
    expect(errorOf({}, shared(3 * 520, 3))).toMatchObject({
      suggestions: [
        expect.anything(),
        expect.stringMatching(/^at most 2 processes/),
        "or 10 processes or more, 3 on each machine like this one, and --shard-optimizer",
      ],
    });
    expect(errorOf({ sharers: 3 }, shared(3 * 567, 3))).toBeNull();
    expect(errorOf({}, shared(699, 3))).toMatchObject({ suggestions: [expect.anything()] });
    expect(errorOf({}, shared(1300, 2))).toMatchObject({
      suggestions: expect.arrayContaining([expect.stringMatching(/^one process on a machine/)]),
    });
    // 15B takes 225 GiB in training.
    const { parameters } = new Esm2(esm2Config("15B"));
    expect(String(errorOf({ parameters }, shared(500 * 2 ** 30, 4)))).toMatch(
      /take at least 225 GiB in each of 4 processes here, 902 GiB together, this machine has 500 GiB$/,
    );
  });

  test("a machine's memory is divided among processes, a limit of each process is not", () => {
    const machine = { bytes: 300, owner: "this machine", processes: 3 };
    const group = { bytes: 400, owner: "the group", processes: 3 };
    const own = { bytes: 120, owner: "ulimit" };
    expect(narrowest([machine, group, own])).toBe(machine);
    expect(narrowest([{ ...machine, bytes: 390 }, group, own])).toMatchObject({ owner: "ulimit" });
    const { host, device } = placeOf({ device: "torch-cpu" }, 3);
    expect(device).toBe(host);
    expect(3 * (processMemory(3).bytes / (host.processes ?? 1))).toBeLessThanOrEqual(
      processMemory().bytes,
    );
    // Each has a GPU of its own, and the host for a moment.
    expect(placeOf({ device: "cuda" }, 3, () => []).host).toEqual(processMemory());
  });

  test("the launcher says how many processes are here, of those that train together", () => {
    const torchrun = { RANK: "3", WORLD_SIZE: "8", LOCAL_RANK: "2", LOCAL_WORLD_SIZE: "4" };
    expect(processesHere(8, torchrun)).toBe(4);
    expect(processesHere(2, torchrun)).toBe(2);
    expect(processesHere(8, {})).toBe(1);
    expect(processesHere(8, { RANK: "3" })).toBe(1);
  });

  test("a trainer asks the executor for the memory of its device", async () => {
    const deviceMemory = { bytes: 100, owner: "cuda:1 (A)" };
    await using reference = await openExecutor("reference");
    const executor = { ...doing(reference), deviceMemory };
    await expect(run({ executor, maxSteps: 1 })).rejects.toMatchObject({
      cause: { message: expect.stringContaining("cuda:1 (A) has") },
    });
    const enough = { ...doing(reference), deviceMemory: { ...deviceMemory, bytes: 2 ** 30 } };
    expect((await run({ executor: enough, maxSteps: 1 })).result.step).toBe(1);
  });

  test("ESM-2 15B does not fit into 24 GiB, 650M does", () => {
    const of = (size: "15B" | "650M") => ({ parameters: new Esm2(esm2Config(size)).parameters });
    expect(errorOf(of("650M"), host(24 * 2 ** 30))).toBeNull();
    expect(String(errorOf(of("15B"), host(24 * 2 ** 30)))).toMatch(
      /gradients and moments of 15,1\d\d,\d{3},\d{3} parameters take at least 225 GiB, this machine has 24 GiB$/,
    );
  });

  test("training says so before it reads data", async () => {
    const model = { layers: 4096, hiddenSize: 65_536, heads: 64 };
    const options = { model, data: "no-such.fasta", microBatchSize: 1, maxSeqLength: 3 };
    await expect(trainEsm2(options)).rejects.toMatchObject({
      code: "out-of-memory",
      message: expect.stringMatching(/TiB, .* has /),
    });
  });
});

test("limits of the process are read from the texts of the system", () => {
  const limits = (value: string) =>
    `Limit   Soft Limit  Hard Limit  Units\nMax address space         ${value}     unlimited   bytes\n`;
  expect(addressLimit(limits("8589934592"))).toBe(2 ** 33);
  expect(addressLimit(limits("unlimited"))).toBeNull();
  expect(addressLimit("")).toBeNull();
  expect(addressesTaken("VmPeak:\t 9 kB\nVmSize:\t    2048 kB\n")).toBe(2 ** 21);
  expect(addressesTaken("")).toBeNull();
});
