import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { finished } from "../../helpers/mpirun.ts";

test("a process ends although its thread hangs in a call, after it has said why", async () => {
  const file = fileURLToPath(new URL("./hanging-thread.fixture.ts", import.meta.url));
  const { stdout, status } = await finished(process.execPath, [file], {});
  expect({ stdout, status }).toEqual({ stdout: "a rank is lost\n", status: null });
});

test("a process waits for the end of a thread that answers while it is closed", async () => {
  const file = fileURLToPath(new URL("./closing-thread.fixture.ts", import.meta.url));
  const { stdout, stderr, status } = await finished(process.execPath, [file], {});
  expect({ stdout, stderr, status }).toEqual({ stdout: "done\n", stderr: "", status: 0 });
});

test("process.exit() waits for the call that a thread is at, and begins no other one", async () => {
  const file = fileURLToPath(new URL("./exit-in-call.fixture.ts", import.meta.url));
  const { stdout, stderr, status } = await finished(process.execPath, [file], {});
  expect({ stdout, stderr, status }).toEqual({ stdout: "1 1\n", stderr: "", status: 3 });
});
