import { expect, test } from "vitest";
import { meetingPoint } from "../../../src/distributed/meeting-point.ts";

const torchrun = { launcher: "torchrun" } as const;
const slurm = { launcher: "slurm" } as const;

test("ranks meet at MASTER_ADDR, beside the store that torchrun has at MASTER_PORT", () => {
  const environment = { MASTER_ADDR: "node1", MASTER_PORT: "29500" };
  expect(meetingPoint(torchrun, environment)).toMatchObject({ host: "node1", port: 29_500 });
  const held = { ...environment, TORCHELASTIC_USE_AGENT_STORE: "True" };
  expect(meetingPoint(torchrun, held)).toMatchObject({ host: "node1", port: 29_501 });
});

test("a restarted job does not meet with processes that are left of before", () => {
  const environment = { MASTER_ADDR: "node1", MASTER_PORT: "29500", TORCHELASTIC_RUN_ID: "a" };
  const jobs = ["0", "1"].map(
    (count) => meetingPoint(torchrun, { ...environment, TORCHELASTIC_RESTART_COUNT: count }).job,
  );
  expect(new Set(jobs).size).toBe(2);
});

test.each([
  ["gpu[003-005,009],login1", "gpu003"],
  ["gpu[3,7-9]", "gpu3"],
  ["rack1n[01-02]-ib", "rack1n01-ib"],
  ["single", "single"],
  ["a.example.org,b.example.org", "a.example.org"],
])("under Slurm they meet at the first node of %s", (list, host) => {
  const environment = { SLURM_STEP_NODELIST: list, SLURM_JOB_ID: "123456" };
  expect(meetingPoint(slurm, environment)).toMatchObject({ host, port: 20_000 + 456 * 8 });
  const chosen = { ...environment, MASTER_ADDR: "other", MASTER_PORT: "4000" };
  expect(meetingPoint(slurm, chosen)).toMatchObject({ host: "other", port: 4000 });
});

test.each([
  [{}, "environment variable MASTER_ADDR is not set"],
  [{ MASTER_ADDR: "a" }, "environment variable MASTER_PORT is not set"],
  [{ MASTER_ADDR: "a", MASTER_PORT: "x" }, "MASTER_PORT is x, expected 1 to 65520"],
  [{ MASTER_ADDR: "a", MASTER_PORT: "65535" }, "MASTER_PORT is 65535, expected 1 to 65520"],
])("an environment that does not say where is an error: %j", (environment, message) => {
  expect(() => meetingPoint(torchrun, environment)).toThrow(message);
});

test("without a list of nodes Slurm's processes ask for MASTER_ADDR", () => {
  expect(() => meetingPoint(slurm, { SLURM_JOB_ID: "1" })).toThrow("MASTER_ADDR is not set");
});
