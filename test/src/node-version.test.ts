import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { unsupportedNodeMessage } from "../../src/node-version.ts";
import { runProcess } from "../helpers/run-process.ts";

test("Node 22.15 and everything newer is accepted", () => {
  for (const version of ["22.15.0", "22.23.3", "24.0.0", "26.10.0"]) {
    expect(unsupportedNodeMessage(version)).toBeNull();
  }
});

test("an older Node is told in one line what it needs and what it is", () => {
  for (const version of ["18.19.0", "20.20.2", "22.14.0", "21.7.3"]) {
    const message = unsupportedNodeMessage(version);
    expect(message).toContain("scdl needs Node 22.15 or newer");
    expect(message).toContain(`this is Node ${version}`);
    expect(message).not.toContain("\n");
  }
});

/** A Node older than the minimum, when the machine has one beside the project's own. */
const oldNode = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => existsSync(path));
const oldVersion =
  oldNode === undefined
    ? ""
    : (await runProcess(oldNode, ["-p", "process.versions.node"])).stdout.trim();
const isOld = oldVersion !== "" && unsupportedNodeMessage(oldVersion) !== null;

test.skipIf(!isOld)(
  "the command line refuses an old Node with that line and exit code 1",
  async () => {
    const run = fileURLToPath(new URL("../../dist/cli/run.js", import.meta.url));
    const result = await runProcess(String(oldNode), [run, "--version"]);
    expect(result).toMatchObject({
      code: 1,
      stdout: "",
      stderr: `${unsupportedNodeMessage(oldVersion)}\n`,
    });
  },
);

test.skipIf(!isOld)(
  "the library refuses an old Node with that line, not a link error",
  async () => {
    const index = new URL("../../dist/src/index.js", import.meta.url).href;
    const script = `import(${JSON.stringify(index)}).catch((error) => console.log(error.message))`;
    const result = await runProcess(String(oldNode), ["-e", script]);
    expect(result.stdout).toBe(`${unsupportedNodeMessage(oldVersion)}\n`);
  },
);
