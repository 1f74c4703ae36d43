/** Random FASTA and FASTQ files through samtools, pysam, pyfaidx and ours. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isScdlError } from "../../formats/common/errors.ts";
import { FastaFile } from "../../src/proteins/fasta-file.ts";
import { indexFasta } from "../../src/proteins/fasta-index.ts";
import { randomOf } from "../fuzz/damage.ts";
import { askOnce } from "./ask-once.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./fasta_original.py", import.meta.url));
const FILES = 300;
const PARTS_PER_FILE = 20;
const LETTERS = "ACDEFGHIKLMNPQRSTVWYBXZUOacgtn*-.";

interface Indexes {
  /** Base64. */
  readonly fai: string;
  readonly gzFai: string;
  readonly gzi: string;
}

type Range = readonly [name: string, begin: number, end: number];

export async function checkFasta(tally: Tally, python: string, workspace: string): Promise<void> {
  mkdirSync(workspace, { recursive: true });
  const ask = (request: Readonly<Record<string, unknown>>) => askOnce(python, DRIVER, request);
  const first = Number(process.env["SCDL_CONFORMANCE_SEED"] ?? dateNumber());
  const paths = Array.from({ length: FILES }, (_, i) => {
    const path = join(workspace, `${first + i}.fasta`);
    writeFileSync(path, randomFile(first + i));
    return path;
  });
  // As fasta_original.py answers.
  const indexes = (await ask({ op: "index", paths })) as (Indexes | null)[];
  await tally.check(`fasta: .fai and .gzi of ${FILES} random files, or refused`, async () => {
    const wrong: string[] = [];
    for (const [i, path] of paths.entries()) {
      wrong.push(...(await indexDifferences(path, indexes[i] ?? null)));
    }
    const refused = indexes.filter((one) => one === null).length;
    return wrong.length > 0 ? wrong : `${refused} refused by both`;
  });
  await tally.check("fasta: random parts as pysam and pyfaidx read them", async () => {
    const asked: [string, Range[]][] = [];
    const ours: string[][] = [];
    for (const [i, path] of paths.entries()) {
      if (indexes[i] == null) continue;
      const found = await randomParts(path, first + i);
      if (found === null) continue;
      asked.push([path, found.ranges]);
      ours.push(found.parts);
    }
    const theirs = (await ask({ op: "fetch", files: asked })) as [string, string][][];
    const wrong: string[] = [];
    let compared = 0;
    for (const [k, parts] of ours.entries()) {
      for (const [j, part] of parts.entries()) {
        compared++;
        const [pysam, pyfaidx] = theirs[k]?.[j] ?? [];
        if (part !== pysam || part !== pyfaidx) {
          wrong.push(
            `${asked[k]?.[0]} ${JSON.stringify(asked[k]?.[1][j])}: ${part} ${pysam} ${pyfaidx}`,
          );
        }
      }
    }
    return wrong.length > 0 ? wrong : `${compared} parts of ${ours.length} files, plain and bgzip`;
  });
}

async function indexDifferences(path: string, expected: Indexes | null): Promise<string[]> {
  const wrong: string[] = [];
  const files: readonly (readonly [string, string, string | undefined])[] =
    expected === null
      ? [[path, ".fai", undefined]]
      : [
          [path, ".fai", expected.fai],
          [`${path}.gz`, ".fai", expected.gzFai],
          [`${path}.gz`, ".gzi", expected.gzi],
        ];
  for (const [file, suffix, content] of files) {
    try {
      await indexFasta(file, { overwrite: true });
      const found = readFileSync(`${file}${suffix}`).toString("base64");
      if (found !== content) wrong.push(`${file}${suffix} differs`);
    } catch (error) {
      if (!isScdlError(error)) throw error;
      if (content !== undefined) wrong.push(`${file}: ${error.message}`);
    }
    for (const made of [".fai", ".gzi"]) rmSync(`${file}${made}`, { force: true });
  }
  return wrong;
}

/** Parts from the plain and the bgzip file, which must agree; null for files we do not open. */
async function randomParts(
  path: string,
  seed: number,
): Promise<{ ranges: Range[]; parts: string[] } | null> {
  const random = randomOf(seed);
  try {
    using plain = await FastaFile.open(path);
    using blocked = await FastaFile.open(`${path}.gz`);
    if (plain.format === "fastq") return null; // which both read only as a stream
    const ranges: Range[] = [];
    const parts: string[] = [];
    for (let i = 0; i < PARTS_PER_FILE; i++) {
      const row = random(plain.length);
      const begin = random(plain.lengthOf(row) + 1);
      const end = begin + random(plain.lengthOf(row) - begin + 3);
      const name = plain.id(row);
      const part = Buffer.from(plain.fetch(name, begin, end)).toString();
      if (part !== Buffer.from(blocked.fetch(name, begin, end)).toString()) {
        throw new Error(`${path}: plain and bgzip differ at ${name}:${begin}-${end}`);
      }
      ranges.push([name, begin, end]);
      parts.push(part);
    }
    return { ranges, parts };
  } catch (error) {
    // Same names, and white space among residues, are errors here; see docs/proteins.md.
    if (isScdlError(error, "duplicate-name", "irregular-lines")) return null;
    throw error;
  }
}

/** Mostly sound, with one of the oddities that files have. */
function randomFile(seed: number): string {
  const random = randomOf(seed);
  const odd = random(4) === 0;
  const end = random(4) === 0 ? "\r\n" : "\n";
  const isFastq = random(5) === 0;
  let text = random(6) === 0 ? end.repeat(random(3)) : "";
  const records = 1 + random(20);
  for (let i = 0; i < records; i++) {
    const name = odd && random(6) === 0 ? `seq${random(3)}` : `seq${i}`;
    const header = `${name}${["", " described", "\tby tab ", "  "][random(4)]}`;
    const length = random(12) === 0 && odd ? 0 : 1 + random(300);
    const width = 1 + random([5, 61, 400][random(3)] ?? 1);
    const lines = (letters: string) => {
      let wrapped = "";
      const sequence = Array.from({ length }, () => letters[random(letters.length)]).join("");
      for (let at = 0; at < length; at += width)
        wrapped += `${sequence.slice(at, at + width)}${end}`;
      return wrapped;
    };
    let residues = lines(LETTERS);
    if (odd && random(8) === 0) residues = oddity(residues, end, random);
    text += `${isFastq ? "@" : ">"}${header}${end}${residues}`;
    if (isFastq) text += `+${end}${lines("!5I~")}`;
    if (random(10) === 0) text += end.repeat(random(3));
  }
  return random(4) === 0 ? text.slice(0, -end.length) : text;
}

function oddity(lines: string, end: string, random: (below: number) => number): string {
  const at = random(lines.length + 1);
  const inserted = [end, " ", "\t", "\r", "AC", ">", ";c", `${end}${end}`, "@"][random(9)] ?? "";
  return lines.slice(0, at) + inserted + lines.slice(at);
}

function dateNumber(): string {
  return new Date().toISOString().slice(0, 10).replaceAll("-", "");
}
