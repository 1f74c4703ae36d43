import { describe, expect, test } from "vitest";
import { MemorySource } from "../../../formats/bytes/memory-source.ts";
import { FormatError } from "../../../formats/common/errors.ts";
import { inflateBlock } from "../../../formats/fasta/bgzf.ts";
import { BgzfSource, BgzfStream } from "../../../formats/fasta/bgzf-source.ts";
import { FaiScanner } from "../../../formats/fasta/fai-scanner.ts";
import { FaiTable } from "../../../formats/fasta/fai-table.ts";
import { FaiText } from "../../../formats/fasta/fai-text.ts";
import { BlockIndex } from "../../../formats/fasta/gzi.ts";
import { wordsOf } from "../../../formats/fasta/residues.ts";
import { bytesOf, loadFastaCases } from "../../helpers/fasta-cases.ts";

const { cases, bgzip } = loadFastaCases();
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The index of all records, same names too, from pieces of `size` bytes. */
function scan(bytes: Uint8Array, size = 1 << 16): string {
  let found = "";
  const text = new FaiText((chunk) => {
    found += Buffer.from(chunk).toString();
  });
  const scanner: FaiScanner = new FaiScanner("a.fasta", (entry) =>
    text.add(entry, scanner.format === "fastq"),
  );
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.slice(at, at + size);
    scanner.push(piece, wordsOf(piece), piece.length);
  }
  scanner.finish();
  text.finish();
  return found;
}

function caught(run: () => unknown): FormatError {
  try {
    run();
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
  throw new Error("expected a FormatError");
}

function tableOf(fai: string, textBytes = 1e6): FaiTable {
  return FaiTable.parse(new MemorySource(utf8(fai), "a.fai"), textBytes);
}

describe("the index of a file is that of samtools faidx, or refused as there", () => {
  // Found in a second pass over the names, see fasta-file.test.ts.
  const names = Object.keys(cases).filter((name) => name !== "duplicate names");
  test.each(names)("%s, in pieces of any size", (name) => {
    const { text, fai } = cases[name] ?? { text: "", fai: null };
    const bytes = bytesOf(text);
    for (const size of [1 << 16, 1, 7]) {
      if (fai === null)
        expect(caught(() => scan(bytes, size)).message).toMatch(/^a\.fasta: .*line/);
      else expect(scan(bytes, size)).toBe(fai);
    }
  });

  test.each([
    [
      ">a\nACGT\n\nACGT\n",
      "bad-record",
      'line 4: expected a record that begins with ">" after a blank or a shorter line, found "A" (byte 9)',
    ],
    [
      ">a\nACG\nACGT\n",
      "different-line-length",
      'record "a", line 3: expected lines of 4 bytes as the first, but for the last, found one of 5',
    ],
    [
      ">a\nAC\n>b\n",
      "truncated",
      'record "b", line 4: expected a record with a sequence, found the end of the file',
    ],
    [
      "@a\nACGT\n+\nIIIII\n",
      "bad-qualities",
      'record "a", line 4: expected 4 qualities in lines as those of the residues, found a line of 6 bytes',
    ],
    [
      ">a\nAC\0GT\n",
      "bad-sequence",
      'record "a", line 2: expected residues, found byte 0x00 (byte 5)',
    ],
    [
      ">a\x02\nAC\n",
      "bad-header",
      "line 1: expected the text of a header, found byte 0x02 (byte 2)",
    ],
    ["", "truncated", "line 1: expected a record with a sequence, found the end of the file"],
  ] as const)("%j says what is wrong and where", (text, code, message) => {
    const error = caught(() => scan(utf8(text), 3));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
  });

  test.each([
    ["", "give a FASTA"],
    ["text\n", "give a FASTA"],
    [">a\nAC\0GT\n", "copy the file again"],
    [">a\nAC\n>b\n", "remove the header without a sequence"],
    ["@a\nACGT\n+\nIII\n", "one quality for each residue"],
    [">a\nACG\nACGT\n", "lines of one length"],
  ])("%j says what to do", (text, advice) => {
    expect(caught(() => scan(utf8(text))).suggestions.join()).toContain(advice);
  });

  test("white space among residues is told, as no index can place them", () => {
    const irregular = (text: string) => {
      const scanner = new FaiScanner("a.fasta", () => {});
      const bytes = utf8(text);
      scanner.push(bytes, wordsOf(bytes), bytes.length);
      scanner.finish();
      return scanner.irregular;
    };
    expect(irregular(">a\nAC GT\n")).toEqual({ name: "a", line: 2 });
    expect(irregular(">a\nACG\r\nACGT\n")).toEqual({ name: "a", line: 3 });
    expect(irregular(">a\nACGT\nAC  \nACGT\n")).toEqual({ name: "a", line: 4 });
    expect(irregular(">a\nACGT \nACGT \nA\t \n")).toBeNull();
  });
});

describe("an index that is read", () => {
  test("gives rows and names back, also in order of no name", () => {
    const table = tableOf("chr1\t12\t6\t12\t13\nchr2\t12\t25\t12\t13\n\t3\t44\t3\t4\n");
    expect([table.length, table.format]).toEqual([3, "fasta"]);
    expect([0, 1, 2].map((row) => table.name(row))).toEqual(["chr1", "chr2", ""]);
    expect(["chr1", "chr2", "", "chr", "chr11"].map((name) => table.indexOf(name))).toEqual([
      0, 1, 2, -1, -1,
    ]);
    const { length, offset, lineBases, lineBytes } = table.at(1);
    expect([length, offset, lineBases, lineBytes]).toEqual([12, 25, 12, 13]);
    expect(() => table.at(3)).toThrow("row 3: expected 0 to 2");
    expect(tableOf("").length).toBe(0);
    expect(tableOf("a\t4\t3\t4\t5\t10\n").format).toBe("fastq");
    expect(tableOf("a\t4\t3\t4\t5\r\nb\t4\t12\t4\t5").length).toBe(2);
  });

  test.each([
    [
      "this is not a valid fai file",
      'line 1, "this is not a valid fai file": expected a name and four numbers',
    ],
    [
      "a\t4\t3\t4\t5\nb\t4\t9000000\t4\t5\n",
      'line 2, "b": expected a sequence inside the file of 1000000 bytes, found bytes 9000000 to 9000004 (byte 10)',
    ],
    [
      "a\t100\t3\t4\t5\nb\t4\t50\t4\t5\n",
      'line 2, "b": expected a sequence beside the one before, which has bytes 3 to 127, found 50 to 54',
    ],
    ["a\t4\t3\t5\t4\n", "expected at least as many bytes as residues a line, found 4 and 5"],
    ["a\t4\t3\t0\t1\n", "expected lines with residues, as there are 4"],
    ["a\t8\t3\t4\t4\n", "expected lines that end with a line feed"],
    ["a\t4\t0\t4\t5\n", "expected an offset behind a header, found 0"],
    ["a\t4\tx\t4\t5\n", "expected a number in column 3"],
    ["a\t-4\t3\t4\t5\n", "expected a number in column 2"],
    ["a\t4\t3\t4\t99999999999999999999\n", "expected a number below 10^15 in column 5"],
    ["a\t4\t3\t4\n", "expected a name and four numbers (FASTA) or five (FASTQ)"],
    ["a\t4\t3\t4\t5\t10\nb\t4\t20\t4\t5\n", 'line 2, "b": expected 6 columns as on line 1'],
    ["a\t4\t3\t4\t5\t5\n", "expected qualities behind the sequence"],
    ["a 4 3 4 5\n", 'line 1, "a 4 3 4 5"'],
    ["a\t4\t3\t4\t5\n\nb\t4\t12\t4\t5\n", 'line 2, ""'],
  ])("%j is refused with its line and name", (fai, message) => {
    const error = caught(() => tableOf(fai));
    expect(error.code).toBe("bad-fai");
    expect(error.message).toContain(message);
    expect(error.suggestions).not.toEqual([]);
  });

  test("cut at any byte it is refused or has fewer rows", () => {
    const fai = cases["many"]?.fai ?? "";
    const whole = tableOf(fai);
    for (let cut = 0; cut < fai.length; cut++) {
      try {
        const table = tableOf(fai.slice(0, cut));
        expect(table.length).toBeLessThanOrEqual(whole.length);
      } catch (error) {
        expect(error).toMatchObject({ code: "bad-fai" });
      }
    }
  });

  test("more rows than line starts that are kept, every row and name found", () => {
    const name = (row: number) => `protein${"x".repeat(row % 7)}${row}`;
    const fai = Array.from(
      { length: 1003 },
      (_, row) => `${name(row)}\t1\t${100 + 5 * row}\t1\t2\n`,
    );
    const table = FaiTable.parse(new MemorySource(utf8(fai.join("")), "a.fai"), 1e6, 16);
    for (let row = 0; row < fai.length; row++) {
      expect(table.name(row)).toBe(name(row));
      expect(table.at(row).offset).toBe(100 + 5 * row);
      expect(table.indexOf(name(row))).toBe(row);
      expect(Buffer.from(table.lineBytes(row)).toString()).toBe(fai[row]);
    }
    expect(table.duplicates()).toEqual([]);
  });
});

describe("bgzip", () => {
  test.each(Object.keys(bgzip))("%s: text, .fai and .gzi", (name) => {
    const { bytes, text, fai, gzi } = bgzip[name] ?? { bytes: "", text: "", fai: "", gzi: "" };
    const source = new MemorySource(bytesOf(bytes), "a.fasta.gz");
    const stream = new BgzfStream(source);
    const parts: Uint8Array[] = [];
    const window = new Uint8Array(1000);
    for (let got = stream.read(window); got > 0; got = stream.read(window)) {
      parts.push(window.slice(0, got));
    }
    const all = new Uint8Array(Buffer.concat(parts));
    expect(all).toEqual(bytesOf(text));
    expect(scan(all)).toBe(fai);
    const index = stream.index();
    expect(Buffer.from(index.encode()).toString("base64")).toBe(gzi);
    expect(BlockIndex.scan(source)).toEqual(index);
    expect(BlockIndex.parse(bytesOf(gzi), "a.gzi", source)).toEqual(index);
    const random = new BgzfSource(source, index);
    for (let begin = 0; begin < all.length; begin += 97) {
      const target = new Uint8Array(Math.min(700, all.length - begin));
      random.readInto(begin, target);
      expect(target).toEqual(all.subarray(begin, begin + target.length));
    }
  });

  test("cut, damaged and of another file: errors with the byte", () => {
    const sample = bgzip["seven blocks"];
    if (sample === undefined) throw new Error("no such case");
    const bytes = bytesOf(sample.bytes);
    const gzi = bytesOf(sample.gzi);
    const source = new MemorySource(bytes, "a.gz");
    for (let cut = 1; cut < bytes.length; cut++) {
      const shorter = new MemorySource(bytes.slice(0, cut), "a.gz");
      // A cut between blocks cannot be seen but by the .gzi.
      const run = () => BlockIndex.parse(gzi, "a.gzi", shorter);
      if (cut === bytes.length - 28) expect(run().textBytes).toBe(2172);
      else expect(["truncated", "bad-gzi"]).toContain(caught(run).code);
    }
    for (let cut = 0; cut < gzi.length; cut++) {
      expect(caught(() => BlockIndex.parse(gzi.slice(0, cut), "a.gzi", source)).code).toBe(
        "bad-gzi",
      );
    }
    const shifted = gzi.slice();
    shifted[8 + 16 * 5] = (shifted[8 + 16 * 5] ?? 0) ^ 1;
    expect(caught(() => BlockIndex.parse(shifted, "a.gzi", source)).code).toBe("bad-bgzip");
    const damaged = bytes.slice(0, 300);
    damaged[40] = (damaged[40] ?? 0) ^ 0x10;
    const length = 1 + (damaged[16] ?? 0) + 256 * (damaged[17] ?? 0);
    expect(caught(() => inflateBlock(damaged.subarray(0, length), "a.gz", 0)).code).toBe(
      "bad-bgzip",
    );
  });
});
