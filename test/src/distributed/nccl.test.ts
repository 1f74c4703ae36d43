import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadNccl, NcclError, type NcclLibrary } from "../../../src/distributed/nccl/nccl.ts";
import {
  exchangeNcclId,
  NcclCommunicator,
} from "../../../src/distributed/nccl/nccl-communicator.ts";
import { NcclLink } from "../../../src/distributed/nccl/nccl-link.ts";
import { sharedLibrary } from "../../formats/elf/shared-library.fixture.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { joinRanks } from "../../helpers/ranks.ts";
import { HANDLE, recordedNccl } from "./recorded-nccl.fixture.ts";

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

test("a library that is cut off is told, and not loaded", () => {
  const bytes = sharedLibrary(["libc.so.6"]);
  const cut = join(temporaryDirectory(), "libnccl.so.2");
  writeFileSync(cut, bytes.subarray(0, bytes.length - 1));
  expect(() => loadNccl({ path: cut })).toThrow(`${cut}: the library is cut off`);
});

// No GPU is needed: only the joining of a job asks for one.
test.skipIf(!isThere)("NCCL says its version, makes ids, and a failure in its own words", () => {
  const nccl = loadNccl();
  expect(nccl.version).toMatch(/^2\.\d+\.\d+$/);
  const ids = [nccl.uniqueId(), nccl.uniqueId()];
  expect(ids.map(({ length }) => length)).toEqual([128, 128]);
  expect(ids[0]).not.toEqual(ids[1]);
  // Rank 5 of 1 is refused on every machine.
  expect(() => nccl.start(ids[0] as Uint8Array, 5, 1)).toThrow(/^ncclCommInitRankConfig: ./);
});

const JOB = { id: new Uint8Array(128).fill(9), rank: 1, worldSize: 2 };
const SUMS = [
  { pointer: 16, length: 3, dtype: "float32" },
  { pointer: 64, length: 4, dtype: "bfloat16" },
] as const;

test("rank 0's id reaches all ranks, arrays go as one group, a closed one is not used", async () => {
  const ranks = await joinRanks(2);
  const { nccl, calls } = recordedNccl();
  const [id, other] = await Promise.all(ranks.map((one) => exchangeNcclId(nccl, one)));
  expect(other).toEqual(new Uint8Array(128).fill(9));
  const link = new NcclLink();
  const gpus = new NcclCommunicator(nccl, link, { ...JOB, id: id as Uint8Array });
  expect(link.handle).toBe(HANDLE);
  gpus.allReduceSum(SUMS, 7);
  gpus.settle();
  gpus.close();
  gpus.close();
  expect(calls).toEqual([
    ["start", 9, 1, 2],
    ["settle", false],
    ["settle", true],
    ["settle", true],
    ["begin"],
    ["sum", 16, 3, "float32", 7],
    ["sum", 64, 4, "bfloat16", 7],
    ["end"],
    ["settle", false],
    ["settle", true],
    ["leave"],
    ["settle", false],
    ["settle", true],
    ["finish"],
  ]);
  expect(link.handle).toBe(0);
  await Promise.all(ranks.map((one) => one.close()));
});

test("NCCL's words are an error of the call that meets them, and the group is ended", () => {
  const { nccl, calls } = recordedNccl();
  const gpus = new NcclCommunicator(nccl, new NcclLink(), JOB);
  const failing = { ...nccl, isSettled: () => fail("unhandled cuda error") };
  expect(() => new NcclCommunicator(failing, new NcclLink(), JOB)).toThrow("unhandled cuda error");
  calls.length = 0;
  nccl.allReduceSum = () => fail("invalid argument");
  expect(() => gpus.allReduceSum(SUMS, 7)).toThrow("invalid argument");
  expect(calls.map(([name]) => name).slice(-2)).toEqual(["begin", "end"]);
});

test("what is aborted is not called again, and is aborted once", async () => {
  const { nccl, calls } = recordedNccl();
  const link = new NcclLink();
  const gpus = new NcclCommunicator(nccl, link, JOB);
  calls.length = 0;
  const other = new NcclLink(link.memory);
  await Promise.all([1, 2].map(() => other.stop((handle) => nccl.abort(handle))));
  expect(calls).toEqual([["abort", HANDLE]]);
  expect(() => gpus.allReduceSum(SUMS, 7)).toThrow("the sums of gradients were ended");
  expect(() => gpus.settle()).toThrow("the sums of gradients were ended");
  gpus.close();
  expect(calls).toHaveLength(1);
  // Nothing to abort: the ranks have not met yet.
  const none = new NcclLink();
  await none.stop((handle) => nccl.abort(handle));
  expect(calls).toHaveLength(1);
  expect(() => new NcclCommunicator(nccl, none, JOB)).toThrow("the sums of gradients were ended");
});

test("a rank 0 without NCCL's id is an error on all ranks, and nobody waits", async () => {
  const ranks = await joinRanks(2);
  const nccl: NcclLibrary = {
    ...recordedNccl().nccl,
    uniqueId: () => fail("no network"),
  };
  const results = await Promise.allSettled(ranks.map((one) => exchangeNcclId(nccl, one)));
  expect(results).toMatchObject([
    { reason: { message: "no network" } },
    { reason: { code: "rank-failed", rank: 0 } },
  ]);
  await Promise.all(ranks.map((one) => one.close()));
});

function fail(message: string): never {
  throw new NcclError("nccl-failed", message);
}
