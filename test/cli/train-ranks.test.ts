import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { finished, hasMpi, mpirun } from "../helpers/mpirun.ts";
import { freePort } from "../helpers/ranks.ts";
import { runProcess } from "../helpers/run-process.ts";
import { expectNearRuns, trainCommand } from "../helpers/train-command.ts";

const results = mkdtempSync(join(tmpdir(), "scdl-train-ranks-"));
afterAll(() => rmSync(results, { recursive: true, force: true }));

const command = (name: string, flags: readonly string[]) => trainCommand(results, name, flags);

test.skipIf(!hasMpi)("mpirun trains as one process does, which can go on with it", async () => {
  const whole = finished(process.execPath, command("whole", ["--micro-batch-size=8"]), {});
  const halves = ["--micro-batch-size=4", "--early-stop-on-step=6", "--num-gpus=2"];
  const { status, stdout, stderr } = await mpirun(2, command("parts", halves));
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  // One object: that of rank 0.
  expect(JSON.parse(stdout)).toMatchObject({ step: 6 });
  const rest = command("parts", ["--micro-batch-size=8", "--resume-if-exists"]);
  const [gone, alone] = await Promise.all([finished(process.execPath, rest, {}), whole]);
  expect([gone.status, alone.status]).toEqual([0, 0]);
  expectNearRuns(results, "parts", "whole");
});

const torchrun = (rank: number, port: string) => ({
  ...{ RANK: String(rank), WORLD_SIZE: "2", LOCAL_RANK: String(rank), LOCAL_WORLD_SIZE: "2" },
  ...{ MASTER_ADDR: "127.0.0.1", MASTER_PORT: port },
});

test("ranks of torchrun's variables meet by TCP; other numbers than the launcher's are refused", async () => {
  const port = String(await freePort());
  const start = (rank: number, flags: readonly string[]) =>
    finished(process.execPath, command("wrong", flags), torchrun(rank, port));
  const [first, second] = await Promise.all([start(0, []), start(1, ["--num-nodes=3"])]);
  expect(second).toMatchObject({ status: 2, stdout: "" });
  expect(second.stderr).toMatch(/^rank 1: error: --num-nodes is 3: 3 processes, but 2/m);
  expect(first.status).toBe(1);
  expect(JSON.parse(first.stdout)).toMatchObject({ error: { code: "rank-failed" } });
});

test("a signal to one rank ends all with its exit code, and rank 0 says whose it was", async () => {
  const port = String(await freePort());
  const args = command("signal", ["--num-steps=1000000"]).filter((word) => word !== "--json");
  const env = (rank: number) => ({ ...process.env, NODE_OPTIONS: "", ...torchrun(rank, port) });
  const second = spawn(process.execPath, args, { env: env(1), stdio: "inherit" });
  const ended = once(second, "exit");
  let isSent = false;
  const first = await runProcess(process.execPath, args, {
    env: env(0),
    onStdout: (_, text) => {
      if (isSent || !/step 1\b/.test(text)) return;
      isSent = second.kill("SIGTERM");
    },
  });
  expect([first.code, (await ended)[0]]).toEqual([143, 143]);
  expect(first.stderr).toBe("");
  expect(first.stdout).toMatch(/^stopped after step \d+, by SIGTERM on rank 1, loss /m);
  expect(first.stdout).toContain("go on: the same command with --resume-if-exists");
});
