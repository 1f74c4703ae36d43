import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { FormatError, isScdlError } from "../../../formats/common/errors.ts";
import { FastaReader, type FastaReaderOptions } from "../../../formats/fasta/fasta-reader.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { bytesOf, chunksOf, loadFastaCases } from "../../helpers/fasta-cases.ts";

const { cases, bgzip } = loadFastaCases();
type Plain = [name: string, description: string, sequence: string, qualities: string | null];

const text = (bytes: Uint8Array | null): string =>
  bytes === null ? "" : Buffer.from(bytes).toString("latin1");
const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value);

async function plainRecords(reader: FastaReader): Promise<Plain[]> {
  const records: Plain[] = [];
  for await (const { name, description, sequence, qualities } of reader) {
    records.push([name, description, text(sequence), qualities === null ? null : text(qualities)]);
  }
  return records;
}

async function read(
  bytes: Uint8Array,
  options: FastaReaderOptions = {},
  chunkBytes = 1 << 16,
): Promise<Plain[]> {
  return plainRecords(await FastaReader.from(chunksOf(bytes, chunkBytes), "a.fasta", options));
}

async function failure(bytes: Uint8Array, options: FastaReaderOptions = {}): Promise<FormatError> {
  const error = await read(bytes, options).catch((caught: unknown) => caught);
  if (error instanceof FormatError) return error;
  throw new Error(`expected a FormatError, got ${String(error)}`);
}

/** Where kseq reads what samtools refuses, or drops what it does not know. */
const REFUSED: Readonly<Record<string, string>> = {
  "semicolon first": "not-fasta",
  "no header": "not-fasta",
  "FASTQ with few qualities": "truncated",
  "FASTQ with many qualities": "bad-qualities",
  "FASTQ without +": "truncated",
  "FASTQ cut before qualities": "truncated",
  "FASTQ with FASTA after": "bad-record",
};
const OTHERWISE: Readonly<Record<string, Plain[]>> = {
  // The name as samtools faidx has it.
  "empty name with description": [["x", "y", "ACGT", null]],
  "FASTQ without sequence": [["a", "", "", ""]],
  // In FASTA only ">" begins a record.
  "@ line in FASTA": [["a", "", "ACGT@bACGT", null]],
  "@ after a blank line in FASTA": [["a", "", "ACGT@bACGT", null]],
  "ends with >": [
    ["a", "", "AC", null],
    ["", "", "", null],
  ],
};

describe("a stream of records", () => {
  test.each(Object.keys(cases))("%s: as kseq reads it, in chunks of any size", async (name) => {
    const { text: base64, records } = cases[name] ?? { text: "", records: null };
    const bytes = bytesOf(base64);
    const code = REFUSED[name];
    if (code !== undefined) {
      expect((await failure(bytes)).code).toBe(code);
      return;
    }
    const expected =
      OTHERWISE[name] ??
      records?.map(([id, rest, sequence, qualities]) => [
        id,
        rest.trim(),
        sequence.replace(/\s/g, ""), // white space is left out
        qualities,
      ]);
    expect(await read(bytes)).toEqual(expected);
    for (const size of [1, 3, 64]) expect(await read(bytes, {}, size)).toEqual(expected);
  });

  test("plain, gzip of several members, bgzip and zstd give the same, whatever the name says", async () => {
    const folder = temporaryDirectory();
    const sample = bgzip["seven blocks"];
    if (sample === undefined) throw new Error("no such case");
    const plain = bytesOf(sample.text);
    const half = plain.length >> 1;
    const contents = {
      "plain.gz": plain,
      "gzip.fasta": Buffer.concat([
        gzipSync(plain.subarray(0, half)),
        gzipSync(plain.subarray(half)),
      ]),
      "bgzip.zst": bytesOf(sample.bytes),
      zstd: zstdCompressSync(plain),
    };
    const expected = await read(plain);
    expect(expected).toHaveLength(30);
    for (const [name, bytes] of Object.entries(contents)) {
      const path = join(folder, name);
      writeFileSync(path, bytes);
      expect(await plainRecords(await FastaReader.open(path)), name).toEqual(expected);
    }
  });

  test("views are read without a copy; line and offset are those of the header", async () => {
    const bytes = utf8(">a x\nAC\nGT\n\n>b\nC\n");
    using reader = await FastaReader.from(chunksOf(bytes, 5), "a.fasta");
    expect(reader.format).toBeNull();
    expect(await reader.next()).toBe(true);
    expect([reader.format, reader.line, reader.offset, reader.length]).toEqual(["fasta", 1, 0, 4]);
    expect(text(reader.sequence)).toBe("ACGT");
    expect(await reader.next()).toBe(true);
    expect([reader.name, reader.line, reader.offset]).toEqual(["b", 5, 12]);
    expect(await reader.next()).toBe(false);
    expect(await reader.next()).toBe(false);
  });

  test("a record longer than the window is one piece, and at most maxRecordBytes", async () => {
    const line = "ACDEFGHIKL".repeat(6);
    const bytes = utf8(`>long\n${`${line}\n`.repeat(50_000)}>b\nAC\n`);
    const [first, second] = await read(bytes);
    expect(first?.[2]).toBe(line.repeat(50_000));
    expect(second).toEqual(["b", "", "AC", null]);
    const error = await failure(bytes, { maxRecordBytes: 2 ** 20 });
    expect(error.code).toBe("record-too-long");
    expect(error.message).toContain('record "long", line 1');
    expect(await read(bytes, { maxRecordBytes: 2 ** 23 })).toHaveLength(2);
  });
});

describe("what is no FASTA is an error with path, record, line and byte", () => {
  test.each([
    [
      "NUL in a sequence",
      ">a\nAC\n>b c\nAC\nG\0T\n",
      "bad-sequence",
      'record "b", line 5: expected residues, found byte 0x00 (byte 15)',
    ],
    [
      "not ASCII",
      ">a\nACé\n",
      "bad-sequence",
      'record "a", line 2: expected residues, found byte 0xc3 (byte 5)',
    ],
    ["DEL", ">a\nAC\x7f\n", "bad-sequence", "found byte 0x7f (byte 5)"],
    [
      "a binary header",
      ">a b\x01\nAC\n",
      "bad-header",
      "line 1: expected the text of a header, found byte 0x01 (byte 4)",
    ],
    ["a name with a NUL", ">a\0b\nAC\n", "bad-header", "found byte 0x00 (byte 2)"],
    [
      "binary qualities",
      "@a\nAC\n+\n!\x01\n",
      "bad-sequence",
      "line 4: expected qualities, found byte 0x01 (byte 9)",
    ],
    [
      "a byte order mark",
      "\ufeff>a\nAC\n",
      "not-fasta",
      'line 1: expected a record that begins with ">" or "@", found byte 0xef (byte 0)',
    ],
    [
      "FASTQ without +",
      "@a\nAC\n@b\nAC\n",
      "bad-record",
      'record "a", line 3: expected residues or the line "+", found "@" (byte 6)',
    ],
  ] as const)("%s", async (_name, content, code, message) => {
    const error = await failure(utf8(content));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^a\.fasta: /);
    expect(error.message).toContain(message);
    expect(error.suggestions).not.toEqual([]);
  });

  test("a line of megabytes without a sequence is no header", async () => {
    const error = await failure(utf8(`>${"x".repeat(2 ** 20 + 10)}\nAC\n`));
    expect(error.code).toBe("bad-header");
  });

  test.each(["gzip", "zstd", "bgzip"] as const)("%s cut at any byte", async (kind) => {
    const sample = bgzip["one block"];
    if (sample === undefined) throw new Error("no such case");
    const plain = bytesOf(sample.text);
    const bytes =
      kind === "bgzip"
        ? bytesOf(sample.bytes).subarray(0, -28)
        : kind === "gzip"
          ? gzipSync(plain)
          : zstdCompressSync(plain);
    for (let cut = 5; cut < bytes.length; cut += 41) {
      const error = await failure(bytes.subarray(0, cut));
      expect(error.code).toBe("truncated");
    }
  });

  test("FASTQ cut at any byte is what was whole, or an error", async () => {
    const bytes = bytesOf(cases["FASTQ in lines"]?.text ?? "");
    const whole = await read(bytes);
    for (let cut = 0; cut < bytes.length; cut++) {
      const found = await read(bytes.subarray(0, cut)).catch((error: unknown) => error);
      if (Array.isArray(found)) {
        // The last quality may be cut where the header's text was: only whole records come.
        expect(whole.slice(0, found.length).map(([, , sequence]) => sequence)).toEqual(
          found.map(([, , sequence]) => sequence),
        );
      } else {
        expect(isScdlError(found, "truncated")).toBe(true);
      }
    }
  });

  test("bzip2 is named, a missing file is not found, an impossible limit is refused", async () => {
    const bad = utf8("BZh91AY&SY");
    await expect(read(bad)).rejects.toMatchObject({ code: "unsupported" });
    await expect(FastaReader.open("/nowhere.fasta")).rejects.toMatchObject({
      code: "no-such-file",
    });
    await expect(read(utf8(">a\n"), { maxRecordBytes: 0 })).rejects.toMatchObject({
      code: "invalid-argument",
    });
  });

  test("a signal ends the reading", async () => {
    const control = new AbortController();
    using reader = await FastaReader.from(chunksOf(utf8(">a\nAC\n>b\nAC\n"), 4), "a.fasta", {
      signal: control.signal,
    });
    expect(await reader.next()).toBe(true);
    control.abort(new Error("enough"));
    await expect(async () => {
      while (await reader.next());
    }).rejects.toThrow("enough");
  });
});
