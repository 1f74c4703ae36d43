/** Processes that train on libtorch: gradients are added up beside the backward pass. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { finished, hasMpi, mpirun } from "../helpers/mpirun.ts";
import { freePort } from "../helpers/ranks.ts";
import { expectNearRuns, trainCommand } from "../helpers/train-command.ts";
import { LIBTORCH } from "../src/tensor/torch.fixture.ts";

const results = mkdtempSync(join(tmpdir(), "scdl-train-ranks-torch-"));
afterAll(() => rmSync(results, { recursive: true, force: true }));

const command = (name: string, flags: readonly string[]) =>
  trainCommand(results, name, ["--device=torch-cpu", ...flags]);

test
  .skipIf(!hasMpi || LIBTORCH === null)
  .concurrent("mpirun trains as one process does", async () => {
    const [alone, two] = await Promise.all([
      finished(process.execPath, command("whole", ["--micro-batch-size=8"]), {}),
      mpirun(2, command("halves", ["--micro-batch-size=2", "--accumulate-grad-batches=2"])),
    ]);
    expect([alone.status, two.status, two.stderr], two.stdout).toEqual([0, 0, ""]);
    expectNearRuns(results, "halves", "whole");
  });

test
  .skipIf(LIBTORCH === null)
  .concurrent(
    "a rank that is killed ends the others, which say which",
    async ({ onTestFinished }) => {
      const place = { WORLD_SIZE: "2", LOCAL_WORLD_SIZE: "2", MASTER_ADDR: "127.0.0.1" };
      const port = String(await freePort());
      const start = (rank: string) => {
        const flags = ["--micro-batch-size=4", "--num-steps=100000"];
        const args = command("killed", flags).filter((flag) => flag !== "--json");
        const env = { ...place, MASTER_PORT: port, RANK: rank, LOCAL_RANK: rank };
        return spawn(process.execPath, [...args], { env: { ...process.env, ...env } });
      };
      const [first, second] = [start("0"), start("1")];
      onTestFinished(() => {
        for (const child of [first, second]) child.kill("SIGKILL");
      });
      let [stdout, stderr] = ["", ""];
      first.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text;
        if (stdout.includes("step 3/")) second.kill("SIGKILL");
      });
      first.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text;
      });
      const [status] = await once(first, "close");
      expect({ status, stderr }).toMatchObject({
        status: 1,
        stderr: expect.stringContaining("rank 1 is gone"),
      });
    },
  );
