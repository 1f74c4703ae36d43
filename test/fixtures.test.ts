import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const FIXTURES = fileURLToPath(new URL("../fixtures/", import.meta.url));

interface Row {
  readonly file: string;
  readonly script: string;
  readonly sha256: string;
}

/** The table of fixtures/README.md: file, what it is, script, versions, sha256. */
function listedRows(): Row[] {
  const rows: Row[] = [];
  for (const line of readFileSync(join(FIXTURES, "README.md"), "utf8").split("\n")) {
    const cells = line.split("|").map((cell) => cell.trim());
    const [, file = "", , script = "", , sha256 = ""] = cells;
    if (/^[0-9a-f]{64}$/.test(sha256)) rows.push({ file, script, sha256 });
  }
  return rows;
}

function dataFiles(): string[] {
  return readdirSync(FIXTURES, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(FIXTURES.length).split(sep).join("/"))
    .filter((path) => path !== "README.md" && !path.startsWith("generate/"));
}

const byName = (a: string, b: string) => (a < b ? -1 : 1);

test("fixtures/README.md lists every fixture once, with its script", () => {
  const rows = listedRows();
  expect(rows.map((row) => row.file).sort(byName)).toEqual(dataFiles().sort(byName));
  const scripts = readdirSync(join(FIXTURES, "generate"));
  expect(rows.filter((row) => !scripts.includes(row.script))).toEqual([]);
});

test("every fixture has the sha256 that its row states", () => {
  for (const { file, sha256 } of listedRows()) {
    const found = createHash("sha256")
      .update(readFileSync(join(FIXTURES, file)))
      .digest("hex");
    expect(found, file).toBe(sha256);
  }
});
