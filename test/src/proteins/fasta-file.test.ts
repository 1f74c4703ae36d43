import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { FormatError } from "../../../formats/common/errors.ts";
import { FastaFile, type FastaFileOptions } from "../../../src/proteins/fasta-file.ts";
import { indexFasta } from "../../../src/proteins/fasta-index.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { bytesOf, loadFastaCases } from "../../helpers/fasta-cases.ts";

const { cases, bgzip } = loadFastaCases();
const text = (bytes: Uint8Array | null): string =>
  bytes === null ? "" : Buffer.from(bytes).toString("latin1");

function written(content: string | Uint8Array, name = "a.fasta"): string {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, content);
  return path;
}

function caseFile(name: string): string {
  return written(bytesOf(cases[name]?.text ?? ""));
}

/** Cases that are opened without a word. */
const PLAIN = Object.entries(cases).filter(
  ([name, { fai }]) =>
    fai !== null && !/space inside|CR at the end of one|duplicate|tab at|CR alone/.test(name),
);

describe("FastaFile", () => {
  test.each(PLAIN.map(([name]) => name))(
    "%s: the parts that pysam and pyfaidx read",
    async (name) => {
      const { parts, fai, records } = cases[name] ?? { fai: null, records: null };
      const path = caseFile(name);
      const all = (fai ?? "").trimEnd().split("\n");
      for (const access of ["map", "read"] as const) {
        using file = await FastaFile.open(path, { access });
        expect(file.length).toBe(all.length);
        all.forEach((line, row) => {
          const [id = "", length] = line.split("\t");
          expect([file.id(row), file.lengthOf(row)]).toEqual([id, Number(length)]);
          expect(file.indexOf(id)).toBe(row);
          const record = records?.find((one) => one[0] === id && one[2].trim().length > 0);
          if (record === undefined) return;
          expect(text(file.sequence(row))).toBe(record[2].replace(/\s/g, ""));
          expect(text(file.qualities(row))).toBe(record[3] ?? "");
        });
        for (const [id, begin, end, residues] of parts ?? []) {
          expect(text(file.fetch(id, begin, end)), `${id}:${begin}-${end}`).toBe(residues);
        }
      }
      expect(existsSync(`${path}.fai`)).toBe(false);
    },
  );

  test.each(Object.keys(bgzip))("bgzip, %s: whole records", async (name) => {
    const {
      bytes,
      text: base64,
      fai,
      gzi,
    } = bgzip[name] ?? { bytes: "", text: "", fai: "", gzi: "" };
    using plain = await FastaFile.open(written(bytesOf(base64)));
    const path = written(bytesOf(bytes), "a.fasta.gz");
    for (const options of [{}, { index: true }, {}] satisfies FastaFileOptions[]) {
      using file = await FastaFile.open(path, options);
      expect(file.length).toBe(plain.length);
      for (let row = plain.length - 1; row >= 0; row--) {
        expect(file.sequence(row)).toEqual(plain.sequence(row));
        expect(file.qualities(row)).toEqual(plain.qualities(row));
      }
    }
    expect(readFileSync(`${path}.fai`, "utf8")).toBe(fai);
    expect(readFileSync(`${path}.gzi`).toString("base64")).toBe(gzi);
  });

  test.each(["five chromosomes", "region-like names"])("%s: regions as samtools", async (name) => {
    using file = await FastaFile.open(caseFile(name));
    for (const [region, printed] of cases[name]?.regions ?? []) {
      // samtools warns and prints no residues.
      const isBeforeFirst = region === "chr1:0-3" || region === "chr1:-";
      if (printed === null || isBeforeFirst) {
        expect(() => file.region(region), region).toThrow();
        continue;
      }
      const { row, begin, end } = file.region(region);
      const residues = printed.split("\n").slice(1).join("");
      expect(text(file.fetch(row, begin, end)), region).toBe(residues);
    }
  });

  test("fetch() clamps at the end and refuses what is no range", async () => {
    using file = await FastaFile.open(caseFile("five chromosomes"));
    expect(text(file.fetch("chr3", 83))).toBe("G");
    expect(text(file.fetch("chr3", 84))).toBe("");
    expect(text(file.fetch("chr3", 900, 1000))).toBe("");
    expect(text(file.fetch(4))).toBe("A");
    expect(() => file.fetch("chr3", 5, 4)).toThrow("residues 5 to 4");
    expect(() => file.fetch("chr3", -1)).toThrow("residues -1");
    expect(() => file.fetch("chr9")).toThrow('no record "chr9"');
    expect(() => file.sequence(5)).toThrow("row 5: expected 0 to 4");
    expect(file.indexOf("chr9")).toBe(-1);
  });

  test("same names: an error, or rows", async () => {
    const path = caseFile("duplicate names");
    await expect(FastaFile.open(path)).rejects.toMatchObject({ code: "duplicate-name" });
    await expect(FastaFile.open(path)).rejects.toThrow('record 3 has the name of record 1, "a"');
    using file = await FastaFile.open(path, { allowDuplicateNames: true });
    expect(file.length).toBe(5);
    expect([0, 1, 2, 3, 4].map((row) => text(file.sequence(row)))).toEqual([
      "ACGTAC",
      "GG",
      "TTTT",
      "C",
      "AAA",
    ]);
    expect([file.indexOf("a"), file.indexOf("b"), file.indexOf("c")]).toEqual([0, 1, 4]);
  });

  test("a closed file is an error, and its sequences stay", async () => {
    const file = await FastaFile.open(caseFile("five chromosomes"));
    const sequence = file.sequence(0);
    file.close();
    file.close();
    expect(text(sequence)).toBe("ACTGACTGACTG");
    expect(() => file.sequence(0)).toThrow("read after close");
  });
});

describe("indexFasta", () => {
  test("writes the index of samtools, without later records of a name", async () => {
    const path = caseFile("duplicate names");
    const warnings: string[] = [];
    const report = await indexFasta(path, { onWarning: (message) => warnings.push(message) });
    expect(report).toEqual({
      path,
      index: `${path}.fai`,
      blockIndex: null,
      format: "fasta",
      records: 3,
      duplicates: 2,
    });
    expect(readFileSync(`${path}.fai`, "utf8")).toBe(cases["duplicate names"]?.fai);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain('record 3 has the name of record 1, "a": left out of the index');
    expect(readdirSync(join(path, "..")).sort()).toEqual(["a.fasta", "a.fasta.fai"]);
    await expect(indexFasta(path)).rejects.toMatchObject({ code: "already-exists" });
    await indexFasta(path, { overwrite: true });
  });

  test("leaves nothing behind when the file is refused or the work is ended", async () => {
    const path = caseFile("blank line inside");
    await expect(indexFasta(path)).rejects.toMatchObject({ code: "bad-record", path });
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(indexFasta(caseFile("many"), { signal })).rejects.toThrow("enough");
    expect(readdirSync(join(path, ".."))).toEqual(["a.fasta"]);
  });

  test("gzip and zstd without blocks say what to do", async () => {
    for (const bytes of [gzipSync(">a\nAC\n"), zstdCompressSync(Buffer.from(">a\nAC\n"))]) {
      const error = await FastaFile.open(written(bytes)).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: "unsupported" });
      expect(String((error as { suggestions: string[] }).suggestions)).toContain("bgzip");
    }
  });

  test("white space among residues: indexed with a warning, not opened", async () => {
    const path = caseFile("space inside lines");
    await expect(FastaFile.open(path)).rejects.toMatchObject({ code: "irregular-lines" });
    const warnings: string[] = [];
    await indexFasta(path, { onWarning: (message) => warnings.push(message) });
    expect(readFileSync(`${path}.fai`, "utf8")).toBe(cases["space inside lines"]?.fai);
    expect(warnings.join()).toContain('record "a", line 2: white space among residues');
    using file = await FastaFile.open(path);
    expect(() => file.sequence(0)).toThrow('expected a line\'s end, found "T" (byte 7)');
  });
});

describe("an index of another file is an error, never other residues", () => {
  test("older than the file", async () => {
    const path = caseFile("five chromosomes");
    await indexFasta(path);
    utimesSync(`${path}.fai`, 1, 1);
    await expect(FastaFile.open(path)).rejects.toMatchObject({ code: "stale-index" });
    using file = await FastaFile.open(path, { ignoreIndex: true });
    expect(file.length).toBe(5);
  });

  test.each([
    ["no line feed before the record", "chr1\t12\t7\t12\t13\n", null],
    ["record that goes on", "chr1\t11\t6\t12\t13\n", "expected the end of the record"],
    ["line width", "chr1\t10\t6\t5\t7\n", "expected a line's end"],
    ["behind the file", "chr1\t12\t6\t12\t13\nchr5\t40\t165\t40\t41\n", null],
  ])("%s", async (_name, fai, reading) => {
    const path = caseFile("five chromosomes");
    const [, ...others] = (cases["five chromosomes"]?.fai ?? "").split("\n");
    writeFileSync(`${path}.fai`, reading === null ? fai : fai + others.join("\n"));
    const opened = FastaFile.open(path);
    if (reading === null) {
      await expect(opened).rejects.toMatchObject({ name: "FormatError" });
      return;
    }
    using file = await opened;
    expect(() => file.sequence(0)).toThrow(reading);
  });

  test.each(["five chromosomes", "FASTQ", "FASTQ, CR LF in lines"])(
    "%s: cut at a line's end, or empty",
    async (name) => {
      const path = caseFile(name);
      const lines = (cases[name]?.fai ?? "").trimEnd().split("\n");
      for (let count = 0; count < lines.length; count++) {
        const cut = lines.slice(0, count).map((line) => `${line}\n`);
        writeFileSync(`${path}.fai`, cut.join(""));
        const error = await FastaFile.open(path).catch((caught: unknown) => caught);
        expect(error).toMatchObject({ code: "stale-index", path: `${path}.fai` });
        const missing = lines[count]?.split("\t")[0];
        expect(String(error)).toContain(`lacks record ${JSON.stringify(missing)} at byte`);
        expect(String((error as FormatError).suggestions)).toContain("scdl fasta index FILE");
      }
      writeFileSync(`${path}.fai`, lines.map((line) => `${line}\n`).join(""));
      using file = await FastaFile.open(path);
      expect(file.length).toBe(lines.length);
    },
  );

  test("what an index leaves out at the end of a file is not missed", async () => {
    const last = ">a\nACGT\n>b\nAC\n>a\nGGG\n\n>none\n>b\nT\n \n";
    const path = written(last);
    writeFileSync(`${path}.fai`, "a\t4\t3\t4\t5\nb\t2\t11\t2\t3\n");
    using file = await FastaFile.open(path);
    expect(file.length).toBe(2);
    const bare = written(">none\n>nothing\n");
    writeFileSync(`${bare}.fai`, "");
    using empty = await FastaFile.open(bare);
    expect(empty.length).toBe(0);
    const other = written("no records\n");
    writeFileSync(`${other}.fai`, "");
    await expect(FastaFile.open(other)).rejects.toMatchObject({ code: "stale-index" });
    writeFileSync(`${path}.fai`, "a\t2\t3\t2\t3\n");
    await expect(FastaFile.open(path)).rejects.toMatchObject({ code: "stale-index" });
  });

  test("a record that goes on for lines is not cut short", async () => {
    const path = written(">a\nACGT\nACGT\n");
    writeFileSync(`${path}.fai`, "a\t4\t3\t4\t5\n");
    const opened = FastaFile.open(path);
    await expect(opened).rejects.toThrow(`it ends before byte 8 of ${path}, which goes on`);
  });

  test("names that are not those of the headers", async () => {
    const path = written(`>a ${"words ".repeat(200)}\nACGT\n>b\nACGT\n>ccc\nACGT\n`);
    await indexFasta(path);
    const fai = readFileSync(`${path}.fai`, "utf8");
    for (const access of ["map", "read"] as const) {
      for (const [from, to, row] of [
        ["a\t", "z\t", 0],
        ["b\t", "c\t", 1],
        ["ccc\t", "cc\t", 2],
      ] as const) {
        writeFileSync(`${path}.fai`, fai.replace(from, to));
        const error = await FastaFile.open(path, { access }).catch((caught: unknown) => caught);
        expect(error).toMatchObject({ code: "stale-index", path });
        const [name, header] = [to.trimEnd(), [">a ", ">b", ">ccc"][row]];
        expect(String(error)).toContain(`the header of "${name}", found "${header}`);
      }
      writeFileSync(`${path}.fai`, fai);
      using file = await FastaFile.open(path, { access });
      expect([0, 1, 2, 1].map((row) => text(file.sequence(row)))).toEqual(Array(4).fill("ACGT"));
    }
    // Beyond the records that are looked at when it is opened: at the first read of a part.
    const many = Array.from({ length: 600 }, (_, i) => `>r${i}\nACGT\n`).join("");
    const large = written(many);
    await indexFasta(large);
    writeFileSync(`${large}.fai`, readFileSync(`${large}.fai`, "utf8").replace("r301\t", "x301\t"));
    using file = await FastaFile.open(large);
    expect(text(file.fetch("r300", 1, 3))).toBe("CG");
    expect(() => file.fetch("x301", 1, 3)).toThrow('the header of "x301", found ">r301"');
  });

  test("an unknown region or row names the file", async () => {
    const path = caseFile("five chromosomes");
    using file = await FastaFile.open(path);
    expect(() => file.region("chr9:1-2")).toThrow(`${path}: no record for the region "chr9:1-2"`);
    expect(() => file.id(7)).toThrow(`${path}: row 7: expected 0 to 4`);
    expect(() => file.fetch(-1)).toThrow(`${path}: row -1: expected 0 to 4`);
  });

  test("a bgzip file that was cut is to be copied again", async () => {
    const bytes = bytesOf(bgzip["seven blocks"]?.bytes ?? "");
    const path = written(bytes.subarray(0, -40), "a.fasta.gz");
    for (const use of [() => FastaFile.open(path), () => indexFasta(path)]) {
      const error = await use().catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: "truncated", path });
      expect(String((error as FormatError).suggestions)).toContain("copy the file again");
    }
  });

  test("a file that changes while it is open", async () => {
    const path = caseFile("five chromosomes");
    using file = await FastaFile.open(path);
    expect(text(file.sequence(0))).toBe("ACTGACTGACTG");
    appendFileSync(path, ">x\nA\n");
    expect(() => file.sequence(1)).toThrow("the file changed while open");
  });
});
