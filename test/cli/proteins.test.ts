import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { runProcess } from "../helpers/run-process.ts";

const SCDL = fileURLToPath(new URL("../../bin/scdl.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "scdl-cli-proteins-"));
afterAll(() => rmSync(folder, { recursive: true }));
const scdl = (...args: string[]) => runProcess(process.execPath, [SCDL, "proteins", ...args]);

test("scdl proteins build and inspect", async () => {
  const [fasta, table, store] = ["a.fasta", "a.tsv", "a.proteins"].map((name) =>
    join(folder, name),
  );
  writeFileSync(fasta ?? "", ">P1 x\nMKV\nLAG\n>P2\nMM\n");
  writeFileSync(table ?? "", "C\tP1\nC\tP2\nD\tPX\n");
  const args = ["build", fasta ?? "", "--table", table ?? "", "--store", store ?? ""];
  const refused = await scdl(...args);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(
    /1 of 3 members are no proteins of the inputs: PX .*\n.*--missing skip/s,
  );
  const built = await scdl(...args, "--missing", "skip");
  expect(built.stderr).toBe("");
  expect(built.stdout).toBe(
    `wrote ${store}: 2 proteins, 8 residues\n  clusters: 1 with 2 members\n` +
      "  left out: 1 members that no input has, 1 clusters that had no other\n",
  );
  const inspected = await scdl("inspect", store ?? "", "--verify", "--json");
  expect(JSON.parse(inspected.stdout)).toMatchObject({ kind: "store", proteins: 2, problems: [] });
});
