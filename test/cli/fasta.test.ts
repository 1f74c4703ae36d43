import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { bytesOf, loadFastaCases } from "../helpers/fasta-cases.ts";
import { runScdl } from "../helpers/run-process.ts";

const { cases } = loadFastaCases();

test("scdl fasta index, get and stats, as samtools and with --json", async () => {
  const path = join(temporaryDirectory(), "a.fasta");
  const sample = cases["five chromosomes"];
  writeFileSync(path, bytesOf(sample?.text ?? ""));
  const indexed = await runScdl(["fasta", "index", path]);
  expect(indexed).toMatchObject({ code: 0, stderr: "", stdout: `wrote ${path}.fai: 5 records\n` });
  expect(readFileSync(`${path}.fai`, "utf8")).toBe(sample?.fai);

  const regions = ["chr3:60-80", "chr1:5-100", "{chr2}:2-3", "chr4"];
  const printed = regions.map((one) => sample?.regions?.find(([name]) => name === one)?.[1] ?? "");
  writeFileSync(`${path}.txt`, "chr3:60-80\r\n\nchr1:5-100\n");
  const listed = ["--regions-file", `${path}.txt`];
  const got = await runScdl(["fasta", "get", path, regions[2] ?? "", ...listed, "--row", "4"]);
  expect(got).toMatchObject({ code: 0, stderr: "" });
  expect(got.stdout).toBe(`${printed[2]}${printed[0]}${printed[1]}>chr5\nA\n`);

  const json = await runScdl(["fasta", "get", path, "chr1:5-100", "--json"]);
  expect(JSON.parse(json.stdout)).toEqual({
    parts: [{ region: "chr1:5-100", row: 0, begin: 4, end: 12, sequence: "ACTGACTG" }],
  });
  const missing = await runScdl(["fasta", "get", path, "chr9:1-2"]);
  expect(missing).toMatchObject({ code: 1, stdout: "" });
  expect(missing.stderr).toContain('no record for the region "chr9:1-2" [no-such-record]');
  const none = await runScdl(["fasta", "get", path]);
  expect(none).toMatchObject({ code: 2, stdout: "" });
  expect(none.stderr).toContain("expected a region, found none");

  const stats = await runScdl(["fasta", "stats", path, "--json"]);
  expect(JSON.parse(stats.stdout)).toEqual({
    files: [
      {
        ...{ path, format: "fasta", records: 5, residues: 125 },
        ...{ minLength: 1, meanLength: 25, maxLength: 84, n50: 84 },
      },
    ],
  });
  const table = await runScdl(["fasta", "stats", path]);
  expect(table.stdout.split("\n")[1]).toBe(
    `${path}  fasta         5       125    1    25   84   84`,
  );
});

test("scdl fasta index warns of same names and ends with 1 for what is no FASTA", async () => {
  const folder = temporaryDirectory();
  const path = join(folder, "a.fasta");
  writeFileSync(path, bytesOf(cases["duplicate names"]?.text ?? ""));
  const warned = await runScdl(["fasta", "index", path, "--json"]);
  expect(warned.code).toBe(0);
  expect(JSON.parse(warned.stdout)).toMatchObject({ records: 3, duplicates: 2 });
  expect(warned.stderr).toMatch(/^warning: .*record 3 has the name of record 1/);
  const got = await runScdl(["fasta", "get", path, "--row", "2", "--allow-duplicate-names", "-n2"]);
  expect(got.stdout).toBe(">a\nTT\nTT\n");

  const bad = join(folder, "b.fasta");
  writeFileSync(bad, "this is not a fasta file.\n");
  const failed = await runScdl(["fasta", "index", bad]);
  expect(failed).toMatchObject({ code: 1, stdout: "" });
  expect(failed.stderr).toContain(
    'line 1: expected a record that begins with ">" or "@", found "t"',
  );
  expect(existsSync(`${bad}.fai`)).toBe(false);
});
