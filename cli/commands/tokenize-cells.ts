import { string as textArgument } from "@oclif/core/args";
import { boolean, integer, string } from "@oclif/core/flags";
import { TOKEN_LAYOUTS } from "../../formats/tokens/layout.ts";
import type { CellTokenizer } from "../../src/gene-tokens/cell-tokenizer.ts";
import type { TokenizedCells } from "../../src/gene-tokens/tokenize-to-disk.ts";
import { BaseCommand } from "../base-command.ts";
import { oneLine } from "../error-text.ts";
import { operands } from "../operands.ts";
import { outputName } from "../output-name.ts";
import { formatCount, ProgressLine } from "../progress.ts";

const MODELS = ["bionemo", "V1", "V2"] as const;
const MISSING = ["skip", "error", "unknown"] as const;
const EMPTY = ["skip", "error", "empty"] as const;

export default class TokenizeCells extends BaseCommand {
  static override summary = "Write cells as ranked genes, the tokens of Geneformer.";
  static override description =
    "Reads SCDL folders, h5ad and 10x files. Writes ids and offsets to be memory-mapped, parquet " +
    "files in the layout of Geneformer's own, or WebDataset shards; the folder appears when it is " +
    "whole. With --resume parts that are finished outlive a stopped run, and the next one goes on.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> pbmc.scdl --medians medians.json --vocab geneformer.vocab -o tokens",
    "<%= config.bin %> <%= command.id %> *.h5ad --medians gene_median_dictionary_gc95M.pkl --vocab token_dictionary_gc95M.pkl --mapping ensembl_mapping_dict_gc95M.pkl -o tokens --format parquet --obs cell_type",
  ];
  static override usage = "tokenize-cells DATASET... --medians FILE --vocab FILE --output DIR";
  static override strict = false;
  static override args = {
    dataset: textArgument({ required: true, description: "SCDL folders, h5ad or 10x files." }),
  };

  static override flags = {
    output: string({ char: "o", required: true, summary: "The folder to write." }),
    medians: string({ required: true, summary: "Medians of genes: pickle, JSON or parquet." }),
    vocab: string({ required: true, summary: "Tokens of genes: pickle, JSON or parquet." }),
    mapping: string({ summary: "Gene names to Ensembl ids: pickle, JSON or parquet." }),
    format: string({ options: [...TOKEN_LAYOUTS], default: "mapped", summary: "What to write." }),
    model: string({ options: [...MODELS], summary: "The layout of the vocabulary [as found]." }),
    "max-length": integer({ min: 1, summary: "Tokens of a cell at most [of the model]." }),
    cls: boolean({ allowNo: true, summary: "Begin cells with the cls token [as the model]." }),
    eos: boolean({ allowNo: true, summary: "End cells with the eos token [as the model]." }),
    "missing-genes": string({
      options: [...MISSING],
      default: "skip",
      summary: "Genes without token.",
    }),
    "empty-cells": string({ options: [...EMPTY], summary: "Cells without tokens [as the model]." }),
    obs: string({ multiple: true, summary: "An obs column to carry along; repeatable." }),
    genes: string({ summary: "Var column of the names [feature_id, ensembl_id, or the names]." }),
    matrix: string({ summary: "For h5ad: raw, X or layers/NAME [raw where there is one]." }),
    "n-counts": string({ summary: "Obs column with each cell's counts, or none [n_counts]." }),
    "cells-per-part": integer({ min: 1, default: 10_000, summary: "Rows of a file or shard." }),
    resume: boolean({ summary: "Go on where a run with --resume stopped." }),
    overwrite: boolean({ summary: "Replace a folder of tokens." }),
  };

  async run(): Promise<TokenizedCells> {
    const { raw, flags } = await this.parse(TokenizeCells);
    const output = outputName("output", flags.output);
    const { checkTokenOutput, tokenizeToDisk } = await import(
      "../../src/gene-tokens/tokenize-to-disk.ts"
    );
    checkTokenOutput(output, flags.overwrite);
    const tokenizer = await tokenizerOf(flags);
    const { genes, matrix, obs, resume, overwrite } = flags;
    const nCounts = flags["n-counts"];
    using progress = new ProgressLine();
    const result = await tokenizeToDisk(operands(raw), tokenizer, {
      output,
      resume,
      overwrite,
      cellsPerPart: flags["cells-per-part"],
      obs: obs ?? [],
      format: TOKEN_LAYOUTS.find((name) => name === flags.format) ?? "mapped",
      ...(genes === undefined ? {} : { genes }),
      ...(matrix === undefined ? {} : { matrix }),
      ...(nCounts === undefined ? {} : { nCounts: nCounts === "none" ? null : nCounts }),
      signal: this.signal,
      onProgress: ({ rows, totalRows }) =>
        progress.update({ label: "tokenizing", done: rows, total: totalRows, unit: "cells" }),
      onWarning: (message) => {
        progress.clear();
        this.warning(message);
      },
    });
    progress.clear();
    const { cells, tokens, leftOut } = result;
    const without = leftOut === 0 ? "" : `, ${formatCount(leftOut)} rows left out`;
    this.log(
      `wrote ${oneLine(result.output)}: ${formatCount(cells)} cells, ${formatCount(tokens)} tokens${without}`,
    );
    return result;
  }
}

interface TokenizerFlags {
  readonly medians: string;
  readonly vocab: string;
  readonly mapping: string | undefined;
  readonly model: string | undefined;
  readonly "max-length": number | undefined;
  readonly cls: boolean;
  readonly eos: boolean;
  readonly "missing-genes": string;
  readonly "empty-cells": string | undefined;
}

async function tokenizerOf(flags: TokenizerFlags): Promise<CellTokenizer> {
  const { GeneVocabulary } = await import("../../src/gene-tokens/gene-vocabulary.ts");
  const { readGeneMedians } = await import("../../src/gene-tokens/gene-medians.ts");
  const { readEnsemblMapping } = await import("../../src/gene-tokens/name-dictionary.ts");
  const tokens = await import("../../src/gene-tokens/cell-tokenizer.ts");
  const { mapping, cls, eos } = flags;
  const maxTokens = flags["max-length"];
  const emptyCells = EMPTY.find((name) => name === flags["empty-cells"]);
  const given = (value: boolean | undefined) => value !== undefined;
  return new tokens.CellTokenizer({
    vocabulary: await GeneVocabulary.read(
      flags.vocab,
      MODELS.find((name) => name === flags.model),
    ),
    medians: await readGeneMedians(flags.medians),
    ...(mapping === undefined ? {} : { mapping: await readEnsemblMapping(mapping) }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(given(cls) ? { cls } : {}),
    ...(given(eos) ? { eos } : {}),
    ...(emptyCells === undefined ? {} : { emptyCells }),
    missingGenes: MISSING.find((name) => name === flags["missing-genes"]) ?? "skip",
  });
}
