import { string as textArgument } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { CollectMediansOptions } from "../../src/gene-tokens/gene-distributions.ts";
import { BaseCommand } from "../base-command.ts";
import { oneLine } from "../error-text.ts";
import { operands } from "../operands.ts";
import { outputName } from "../output-name.ts";
import { formatCount, ProgressLine } from "../progress.ts";

interface MediansResult {
  readonly output: string;
  readonly genes: number;
  readonly cells: number;
  /** Genes whose median is within 0.2 %; null for a partial result. */
  readonly estimated: number | null;
}

export default class Medians extends BaseCommand {
  static override summary = "Compute the non-zero median of every gene, for Geneformer.";
  static override description =
    "The counts of each cell are made to sum to 10,000; a gene's median is over the cells that have " +
    "it. Reads SCDL folders, h5ad and 10x files once, in bounded memory. The median of a gene with " +
    "more than 512 cells is within 0.2 %, or exact with --exact, which reads twice. The result is " +
    "the same for any order of data sets and for any division into parts.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> train.scdl --output medians.json --vocab geneformer.vocab",
    "<%= config.bin %> <%= command.id %> part1.h5ad --partial part1.values",
    "<%= config.bin %> <%= command.id %> --merge part1.values part2.values -o medians.json",
  ];
  static override usage = "medians DATASET... --output FILE";
  static override strict = false;
  static override args = {
    dataset: textArgument({ required: true, description: "SCDL folders, h5ad or 10x files." }),
  };

  static override flags = {
    output: string({ char: "o", summary: "Write the medians as JSON.", exclusive: ["partial"] }),
    vocab: string({
      summary: "Write BioNeMo's vocabulary of these genes too.",
      dependsOn: ["output"],
    }),
    partial: string({ summary: "Write what --merge makes medians of." }),
    merge: boolean({ summary: "The arguments are files of --partial." }),
    exact: boolean({ summary: "Exact medians: reads again.", exclusive: ["partial", "merge"] }),
    mapping: string({ summary: "Gene names to Ensembl ids: pickle, JSON or parquet." }),
    genes: string({ summary: "Var column of the names [feature_id, ensembl_id, or the names]." }),
    matrix: string({ summary: "For h5ad: raw, X or layers/NAME [raw where there is one]." }),
    "n-counts": string({ summary: "Obs column with each cell's counts, or none [n_counts]." }),
    "allow-repeats": boolean({ summary: "Count a data set again that is there twice." }),
    overwrite: boolean({ summary: "Replace an existing file." }),
  };

  async run(): Promise<MediansResult> {
    const { raw, flags } = await this.parse(Medians);
    const paths = operands(raw);
    const { overwrite, "allow-repeats": allowRepeats } = flags;
    const isPartial = flags.partial !== undefined;
    const given = flags.partial ?? flags.output;
    if (given === undefined) {
      throw new InvalidArgumentError("output", given, "--output: say where to write the medians", {
        suggestions: ["--output medians.json", "--partial part.values, to merge later"],
      });
    }
    const output = outputName(isPartial ? "partial" : "output", given);
    const { checkFileOutput } = await import("../../src/proteins/pending-file.ts");
    const vocab = outputName("vocab", flags.vocab ?? "");
    for (const file of flags.vocab === undefined ? [output] : [output, vocab]) {
      checkFileOutput(file, overwrite);
    }
    const medians = await import("../../src/gene-tokens/compute-medians.ts");
    using progress = new ProgressLine();
    const options = await this.#options(flags, progress);
    const { GeneDistributions } = await import("../../src/gene-tokens/gene-distributions.ts");
    if (isPartial) {
      const found = flags.merge
        ? await medians.mergeGeneDistributions(paths, { allowRepeats })
        : await GeneDistributions.collect(paths, { ...options, allowRepeats });
      const { writeGeneDistributions } = await import(
        "../../src/gene-tokens/distributions-file.ts"
      );
      writeGeneDistributions(output, found, { overwrite });
      progress.clear();
      return this.#told({ output, genes: found.size, cells: found.cells, estimated: null });
    }
    const made = flags.merge
      ? medians.mediansOf(await medians.mergeGeneDistributions(paths, { allowRepeats }))
      : await medians.computeGeneMedians(paths, { ...options, allowRepeats, exact: flags.exact });
    medians.saveMedians(output, made.medians, { overwrite });
    if (flags.vocab !== undefined) {
      medians.saveVocabulary(vocab, made.medians, options.mapping, { overwrite });
    }
    progress.clear();
    const { cells, estimated } = made;
    return this.#told({ output, genes: made.medians.size, cells, estimated });
  }

  async #options(
    flags: Readonly<Record<"mapping" | "genes" | "matrix" | "n-counts", string | undefined>>,
    progress: ProgressLine,
  ): Promise<CollectMediansOptions> {
    const { readEnsemblMapping } = await import("../../src/gene-tokens/name-dictionary.ts");
    const { mapping, genes, matrix } = flags;
    const nCounts = flags["n-counts"];
    return {
      ...(mapping === undefined ? {} : { mapping: await readEnsemblMapping(mapping) }),
      ...(genes === undefined ? {} : { genes }),
      ...(matrix === undefined ? {} : { matrix }),
      ...(nCounts === undefined ? {} : { nCounts: nCounts === "none" ? null : nCounts }),
      signal: this.signal,
      onProgress: ({ pass, rows, totalRows }) =>
        progress.update({
          label: pass === 1 ? "counting" : "reading again",
          done: rows,
          total: totalRows,
          unit: "cells",
        }),
    };
  }

  #told(result: MediansResult): MediansResult {
    const { output, genes, cells, estimated } = result;
    const exactness =
      estimated === null || estimated === 0
        ? ""
        : `; ${formatCount(estimated)} within 0.2 %, exact with --exact`;
    const what = estimated === null ? "values" : "medians";
    this.log(
      `wrote ${oneLine(output)}: ${what} of ${formatCount(genes)} genes over ${formatCount(cells)} cells${exactness}`,
    );
    return result;
  }
}
