import { describe, expect, test } from "vitest";
import { Esm2, esm2Config, type ParameterSpec } from "../../../../src/models/index.ts";
import { addressesTaken, addressLimit } from "../../../../src/tensor/memory-limit.ts";
import {
  type ModelPlace,
  type ModelUse,
  placeOf,
  requireModelMemory,
} from "../../../../src/train/runs/model-memory.ts";
import { trainEsm2 } from "../../../../src/train/runs/train-esm2.ts";

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
    expect(placeOf({ device: "cuda:1" }, () => gpus).device).toEqual({
      bytes: 9,
      owner: "cuda:1 (A)",
    });
    expect(placeOf({ device: "cuda" }, () => gpus).device?.bytes).toBe(8);
    expect(placeOf({ device: "cuda:2" }, () => gpus).device).toBeNull();
    const { host: machine, device } = placeOf({ device: "torch-cpu" }, () => gpus);
    expect(device).toBe(machine);
    // It may have more than the host.
    const unknown = placeOf({ device: "webgpu" }, () => gpus);
    expect(unknown.device).toBeNull();
    expect(errorOf({}, { ...host(400), device: null })).toBeNull();
    expect(errorOf({}, { ...host(399), device: null })).not.toBeNull();
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
