/** Damaged FASTA, FASTQ and bgzip files, and damaged indexes of sound ones. */
import fs from "node:fs";
import path from "node:path";
import { isScdlError } from "../../formats/common/errors.ts";
import { FastaReader } from "../../formats/fasta/fasta-reader.ts";
import { FastaFile } from "../../src/proteins/fasta-file.ts";
import { bytesOf, loadFastaCases } from "../helpers/fasta-cases.ts";
import { damaged, randomOf, typedErrorOf } from "./damage.ts";
import type { Target } from "./targets.ts";

const outcome = (error: unknown): string => (isScdlError(error) ? error.code : "read");

/** The same file as a stream and at random places. */
export function fastaTarget(folder: string): Target {
  const { cases, bgzip } = loadFastaCases();
  const contents = [
    ...Object.values(cases).map(({ text }) => bytesOf(text)),
    ...Object.values(bgzip).map(({ bytes }) => bytesOf(bytes)),
  ].filter((bytes) => bytes.length > 0);
  const file = path.join(folder, "a.fasta");
  return async (seed) => {
    fs.writeFileSync(
      file,
      damaged(contents[randomOf(seed)(contents.length)] ?? new Uint8Array(1), seed),
    );
    const streamed: string[] = [];
    const error = await typedErrorOf(async () => {
      for await (const { name, sequence, qualities } of await FastaReader.open(file)) {
        if (qualities !== null && qualities.length !== sequence.length)
          throw new Error("qualities");
        streamed.push(`${name} ${residuesOf(sequence)}`);
      }
    });
    const other = await typedErrorOf(async () => {
      using opened = await FastaFile.open(file, { allowDuplicateNames: true });
      const records = readRows(opened);
      // What both read is the same; an index has no records without residues.
      const whole = streamed.filter((record) => !record.endsWith(" "));
      const indexed = records.filter((record) => !record.endsWith(" "));
      if (error === null && indexed.join("\n") !== whole.join("\n"))
        throw new Error("other records");
    });
    return `${outcome(error)}/${outcome(other)}`;
  };
}

/** A damaged `.fai` or `.gzi`: what is read is residues of the file, in the lengths that it says. */
export function faiTarget(folder: string): Target {
  const { bgzip } = loadFastaCases();
  const { bytes, text, fai, gzi } = bgzip["seven blocks"] ?? {
    bytes: "",
    text: "",
    fai: "",
    gzi: "",
  };
  const plain = path.join(folder, "b.fasta");
  const blocked = path.join(folder, "b.fasta.gz");
  fs.writeFileSync(plain, bytesOf(text));
  fs.writeFileSync(blocked, bytesOf(bytes));
  const faiBytes = new TextEncoder().encode(fai);
  return async (seed) => {
    const isGzi = seed % 3 === 0;
    const file = isGzi || seed % 3 === 1 ? blocked : plain;
    fs.writeFileSync(`${file}.fai`, isGzi ? faiBytes : damaged(faiBytes, seed));
    fs.writeFileSync(`${blocked}.gzi`, isGzi ? damaged(bytesOf(gzi), seed, 128) : bytesOf(gzi));
    const error = await typedErrorOf(async () => {
      using opened = await FastaFile.open(file);
      readRows(opened);
    });
    return `${isGzi ? "gzi" : "fai"}:${outcome(error)}`;
  };
}

function readRows(file: FastaFile): string[] {
  return Array.from({ length: file.length }, (_, row) => {
    const sequence = file.sequence(row);
    if (sequence.length !== file.lengthOf(row)) throw new Error("a sequence of another length");
    file.qualities(row);
    return `${file.id(row)} ${residuesOf(sequence)}`;
  });
}

function residuesOf(sequence: Uint8Array): string {
  if (sequence.some((byte) => byte < 0x21 || byte > 0x7e)) throw new Error("not residues");
  return Buffer.from(sequence).toString("latin1");
}
