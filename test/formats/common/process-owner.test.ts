import { readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { isRunning, thisProcess } from "../../../formats/common/process-owner.ts";
import { hasProc, unreapedChild } from "../../helpers/zombie.ts";

test("this process runs, one that started at another time is another", () => {
  const { pid, started } = thisProcess();
  expect(isRunning(pid)).toBe(true);
  expect(isRunning(pid, started)).toBe(true);
  expect(isRunning(pid, "0")).toBe(started === null);
});

test("what is no number of a process does not run", () => {
  for (const pid of [Number.NaN, 0, -1, 1.5, 2 ** 31 - 1]) expect(isRunning(pid)).toBe(false);
});

test.skipIf(!hasProc)("a killed process that nobody waits for does not run", async () => {
  // A name with what the state is looked for by, and with the states of dead ones.
  const name = "a) Z (b) X 1";
  const script = `process.title = "${name}"; setTimeout(() => {}, 60_000)`;
  await using child = await unreapedChild(`exec "${process.execPath}" -e '${script}'`);
  await vi.waitFor(() => {
    expect(readFileSync(`/proc/${child.pid}/comm`, "utf8")).toBe(`${name}\n`);
  });
  expect(isRunning(child.pid)).toBe(true);
  await child.kill();
  expect(() => process.kill(child.pid, 0)).not.toThrow();
  expect(isRunning(child.pid)).toBe(false);
});
