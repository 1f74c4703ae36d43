import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { loadNccl, type NcclLibrary } from "../../../src/distributed/nccl/nccl.ts";
import {
  exchangeNcclId,
  NcclCommunicator,
} from "../../../src/distributed/nccl/nccl-communicator.ts";
import { joinRanks } from "../../helpers/ranks.ts";

const path = process.env["SCDL_NCCL_LIBRARY"];
const isThere = path !== undefined && existsSync(path);

test("without NCCL the error says where it was looked for", () => {
  expect(() => loadNccl({ path: "/nowhere/libnccl.so.2" })).toThrow(
    "NCCL is not there: /nowhere/libnccl.so.2",
  );
  if (path !== undefined) return;
  const libtorch = "/env/lib/python3.13/site-packages/torch/lib";
  expect(() => loadNccl({ libtorch })).toThrow(
    "/env/lib/python3.13/site-packages/nvidia/nccl/lib/libnccl.so.2",
  );
});

// No GPU is needed: only the joining of a job asks for one.
test.skipIf(!isThere)("NCCL says its version, makes ids, and a failure in its own words", () => {
  const nccl = loadNccl();
  expect(nccl.version).toMatch(/^2\.\d+\.\d+$/);
  const ids = [nccl.uniqueId(), nccl.uniqueId()];
  expect(ids.map(({ length }) => length)).toEqual([128, 128]);
  expect(ids[0]).not.toEqual(ids[1]);
  // Rank 5 of 1 is refused on every machine.
  expect(() => nccl.start(ids[0] as Uint8Array, 5, 1)).toThrow(/^ncclCommInitRank: ./);
});

/** Records calls in place of a GPU. */
function recorded(): { readonly nccl: NcclLibrary; readonly calls: unknown[] } {
  const calls: unknown[] = [];
  const note =
    (name: string) =>
    (...values: readonly unknown[]): void => {
      calls.push([name, ...values.slice(1)]);
    };
  const nccl: NcclLibrary = {
    path: "none",
    version: "0",
    uniqueId: () => new Uint8Array(128).fill(9),
    start: (id, rank, worldSize) => {
      calls.push(["start", id[0], rank, worldSize]);
      return { handle: 1 };
    },
    allReduceSum: note("sum"),
    broadcast: note("broadcast"),
    group: (work) => {
      calls.push(["begin"]);
      work();
      calls.push(["end"]);
    },
    check: note("check"),
    finish: note("finish"),
    abort: note("abort"),
  };
  return { nccl, calls };
}

test("rank 0's id reaches all ranks, arrays go as one group, a closed one is not used", async () => {
  const ranks = await joinRanks(2);
  const { nccl, calls } = recorded();
  const [id, other] = await Promise.all(ranks.map((one) => exchangeNcclId(nccl, one)));
  expect(other).toEqual(new Uint8Array(128).fill(9));
  const gpus = new NcclCommunicator(nccl, { id: id as Uint8Array, rank: 1, worldSize: 2 });
  gpus.allReduceSum(
    [
      { pointer: 16n, length: 3, dtype: "float32" },
      { pointer: 64n, length: 4, dtype: "bfloat16" },
    ],
    7n,
  );
  gpus.close();
  gpus.abort();
  expect(calls).toEqual([
    ["start", 9, 1, 2],
    ["begin"],
    ["sum", 16n, 3, "float32", 7n],
    ["sum", 64n, 4, "bfloat16", 7n],
    ["end"],
    ["finish"],
  ]);
  expect(() => gpus.check()).toThrow("rank 1 has closed its NCCL");
  await Promise.all(ranks.map((one) => one.close()));
});

test("a rank 0 without NCCL's id is an error on all ranks, and nobody waits", async () => {
  const ranks = await joinRanks(2);
  const nccl: NcclLibrary = {
    ...recorded().nccl,
    uniqueId: () => {
      throw new Error("no network");
    },
  };
  const results = await Promise.allSettled(ranks.map((one) => exchangeNcclId(nccl, one)));
  expect(results).toMatchObject([
    { reason: { message: "no network" } },
    { reason: { code: "rank-failed", rank: 0 } },
  ]);
  await Promise.all(ranks.map((one) => one.close()));
});
