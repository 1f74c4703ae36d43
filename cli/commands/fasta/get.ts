import { string } from "@oclif/core/args";
import { boolean, integer, string as text } from "@oclif/core/flags";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { BaseCommand } from "../../base-command.ts";
import { operands } from "../../operands.ts";
import { writeOutput } from "../../output.ts";

export interface FastaPart {
  /** As asked for: the region, or the name of a row. */
  readonly region: string;
  readonly row: number;
  /** Residues begin to end - 1 of the record, counted from 0. */
  readonly begin: number;
  readonly end: number;
  readonly sequence: string;
}

export default class FastaGet extends BaseCommand {
  static override summary = "Print records of a FASTA or FASTQ file, or parts of them.";
  static override description =
    "Regions are as in samtools faidx: NAME, NAME:FIRST-LAST (the first residue is 1), NAME:FIRST- " +
    "and {NAME}:FIRST-LAST for names with a colon. Printed as FASTA in the line length of the file. " +
    "Without an index beside the file one is made in memory.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> uniref50.fasta UniRef50_A0A009DWL0",
    "<%= config.bin %> <%= command.id %> genome.fa chr1:1,000-2,000 chr2",
    "<%= config.bin %> <%= command.id %> uniref50.fasta --row 0 --row 41 --json",
  ];
  static override usage = "fasta get FILE REGION... [--regions-file FILE] [--row N...]";
  static override strict = false;
  static override args = {
    file: string({ required: true, description: "Plain, or compressed by bgzip." }),
    region: string({ description: "What to print." }),
  };

  static override flags = {
    "regions-file": text({ char: "r", summary: "A file with a region on each line." }),
    row: integer({ multiple: true, min: 0, summary: "A record by number, the first is 0." }),
    index: boolean({ summary: "Write an index where there is none." }),
    "allow-duplicate-names": boolean({
      summary: "Take files with records of one name, which means the first; no .fai is used.",
    }),
    "line-length": integer({
      char: "n",
      min: 1,
      summary: "Residues a line [as many as the file has].",
    }),
  };

  async run(): Promise<{ readonly parts: readonly FastaPart[] }> {
    const { raw, flags } = await this.parse(FastaGet);
    const [path = "", ...regions] = operands(raw);
    const rows = flags.row ?? [];
    const listed = flags["regions-file"];
    if (listed !== undefined) regions.push(...(await linesOf(listed)));
    if (regions.length + rows.length === 0 && listed === undefined) {
      throw new InvalidArgumentError("region", undefined, "expected a region, found none", {
        suggestions: ["name a record, or give --row or --regions-file"],
      });
    }
    const { FastaFile } = await import("../../../src/proteins/fasta-file.ts");
    using file = await FastaFile.open(path, {
      index: flags.index,
      allowDuplicateNames: flags["allow-duplicate-names"],
      signal: this.signal,
    });
    const parts: FastaPart[] = [];
    const wanted = [
      ...regions.map((region) => ({ region, ...file.region(region) })),
      ...rows.map((row) => ({ region: file.id(row), row, begin: 0, end: Infinity })),
    ];
    for (const { region, row, begin, end } of wanted) {
      this.signal.throwIfAborted();
      const last = Math.min(end, file.lengthOf(row));
      const first = Math.min(begin, last);
      const sequence = Buffer.from(file.fetch(row, first, last)).toString("latin1");
      if (this.jsonEnabled()) parts.push({ region, row, begin: first, end: last, sequence });
      else {
        await writeOutput(
          wrapped(region, sequence, flags["line-length"] ?? file.lineLengthOf(row)),
        );
      }
    }
    return { parts };
  }
}

async function linesOf(path: string): Promise<string[]> {
  const { readFile } = await import("node:fs/promises");
  const { fromFsError } = await import("../../../formats/common/errors.ts");
  const lines = await readFile(path, "utf8").catch((error: unknown) => {
    throw fromFsError(error, path);
  });
  return lines.split(/\r?\n/).filter((line) => line !== "");
}

function wrapped(header: string, sequence: string, lineLength: number): string {
  const lines = [`>${header}`];
  for (let at = 0; at < sequence.length; at += lineLength) {
    lines.push(sequence.slice(at, at + lineLength));
  }
  return `${lines.join("\n")}\n`;
}
