import { createHash } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { writeSmallFile } from "../../formats/common/output-file.ts";
import { Turn } from "../../formats/common/turn.ts";
import {
  checkOutput,
  createTemporary,
  outputTarget,
  replaceDirectory,
  sweepLeftovers,
} from "../../formats/scdl/directory-swap.ts";
import {
  encodeTokenHeader,
  TOKEN_FILES,
  TOKEN_HEADER,
  TOKEN_OBS_FILE,
  type TokenHeader,
  type TokenLayout,
  type TokenModel,
} from "../../formats/tokens/layout.ts";
import { type CellSource, type OpenCellsOptions, openCells } from "./cell-source.ts";
import type { CellTokenizer } from "./cell-tokenizer.ts";
import { MappedTokenSink } from "./mapped-token-sink.ts";
import { ObsValues } from "./obs-values.ts";
import { ParquetTokenSink } from "./parquet-token-sink.ts";
import { ShardTokenSink } from "./shard-token-sink.ts";
import { vocabularySha256 } from "./token-cells.ts";
import { TokenJournal } from "./token-journal.ts";
import type { TokenSink } from "./token-sink.ts";
import { type TokenizeProgress, tokenizeCells } from "./tokenize-dataset.ts";

export interface TokenizeToDiskOptions {
  /** The folder to write; it appears when everything is in it. */
  readonly output: string;
  /**
   * "mapped": ids and offsets for `TokenDataset` (default). "parquet": the columns of Geneformer's own
   * training files. "webdataset": tar shards with `input_ids.npy`.
   */
  readonly format?: TokenLayout;
  /** Rows of a part: of a parquet file, a shard, or what a run that stopped loses. Default 10,000. */
  readonly cellsPerPart?: number;
  /** Obs columns to carry along. Default none. */
  readonly obs?: readonly string[];
  /**
   * Keeps finished parts in `<output>.unfinished` when the run stops, and goes on with those that are
   * there; the result is the same to the last byte. Default false: what is unfinished is removed.
   */
  readonly resume?: boolean;
  /** Replaces a folder of tokens. Default false. */
  readonly overwrite?: boolean;
  /** Var column with Ensembl ids. Default: the first there is of feature_id, ensembl_id, names. */
  readonly genes?: string;
  /** For h5ad files: `raw`, `X` or `layers/NAME`. Default raw where there is one, else X. */
  readonly matrix?: string;
  /** Obs column with the counts of each cell; null for their sums. Default "n_counts" if there. */
  readonly nCounts?: string | null;
  /** Obs column with 1 for the cells wanted; null for all. Default "filter_pass" if there. */
  readonly filterPass?: string | null;
  readonly signal?: AbortSignal;
  /** Rows of all data sets. */
  readonly onProgress?: (progress: TokenizeProgress) => void;
  readonly onWarning?: (message: string) => void;
}

export interface TokenizedCells {
  readonly output: string;
  readonly cells: number;
  readonly tokens: number;
  /** Rows without a cell: no tokens, or not wanted. */
  readonly leftOut: number;
  readonly files: readonly string[];
}

/**
 * Tokenises data sets (SCDL directories, h5ad and 10x files) into a folder. Rows are numbered on from
 * one data set to the next.
 * @throws what opening and {@link CellTokenizer} throw; StorageError; the signal's reason.
 */
export async function tokenizeToDisk(
  paths: readonly string[],
  tokenizer: CellTokenizer,
  options: TokenizeToDiskOptions,
): Promise<TokenizedCells> {
  const { output, overwrite = false, cellsPerPart = 10_000, onWarning = () => {} } = options;
  if (!(Number.isSafeInteger(cellsPerPart) && cellsPerPart >= 1)) {
    const message = `cellsPerPart is ${cellsPerPart}, expected an integer of at least 1`;
    throw new InvalidArgumentError("cellsPerPart", cellsPerPart, message);
  }
  if (paths.length === 0) {
    throw new InvalidArgumentError("paths", paths, "expected at least one data set");
  }
  const target = outputTarget(output);
  checkTokenOutput(target, overwrite);
  const sources: CellSource[] = [];
  try {
    const opening: OpenCellsOptions = {
      genes: options.genes,
      matrix: options.matrix,
      asConverted: tokenizer.encoding === "bionemo",
      signal: options.signal,
    };
    for (const path of paths) sources.push(await openCells(path, opening));
    const obs = await ObsValues.read(sources, options.obs ?? []);
    sweepLeftovers(target, onWarning);
    const isResumable = options.resume === true;
    const directory = isResumable ? `${target}.unfinished` : createTemporary(target);
    try {
      const model = modelOf(tokenizer);
      const settings = settingsOf(sources, tokenizer, model, options);
      const journal = TokenJournal.open(directory, settings);
      try {
        const run = { sources, tokenizer, options, obs, journal, cellsPerPart };
        const header = await new TokenizeRun(run).write(model);
        checkTokenOutput(target, overwrite);
        journal.clear();
        replaceDirectory(directory, target);
        const { cells, tokens, sourceRows, files } = header;
        return { output, cells, tokens, leftOut: sourceRows - cells, files: [...files.keys()] };
      } finally {
        journal.release();
      }
    } finally {
      if (!isResumable) rmSync(directory, { recursive: true, force: true });
    }
  } finally {
    for (const source of sources) await source[Symbol.asyncDispose]();
  }
}

interface Run {
  readonly sources: readonly CellSource[];
  readonly tokenizer: CellTokenizer;
  readonly options: TokenizeToDiskOptions;
  readonly obs: ObsValues;
  readonly journal: TokenJournal;
  readonly cellsPerPart: number;
}

/** Cuts the rows of all data sets into parts and hands them to a sink. */
class TokenizeRun {
  readonly #run: Run;
  readonly #sink: TokenSink;
  readonly #idType: "uint16" | "uint32";
  /** Cells and tokens of the part that is being written. */
  #cells = 0;
  #tokens = 0;

  constructor(run: Run) {
    const { options, obs, journal, tokenizer } = run;
    const { directory, state } = journal;
    this.#run = run;
    const largest = Math.max(...tokenizer.vocabulary.ids.values());
    this.#idType = largest < 2 ** 16 ? "uint16" : "uint32";
    const format = options.format ?? "mapped";
    if (format !== "mapped") journal.verify(state.files.keys());
    if (format === "parquet") this.#sink = new ParquetTokenSink(directory, obs);
    else if (format === "webdataset") this.#sink = new ShardTokenSink(directory, obs, state.parts);
    else {
      const { files, tokens } = state;
      this.#sink = new MappedTokenSink(directory, { idType: this.#idType, obs, files, tokens });
    }
  }

  /** Writes all parts that are not there, and the header. */
  async write(model: TokenModel): Promise<TokenHeader> {
    const { sources, journal, options } = this.#run;
    const sourceRows = sources.reduce((sum, { nObs }) => sum + nObs, 0);
    try {
      let rowBase = 0;
      for (const source of sources) {
        await this.#source(source, rowBase, sourceRows);
        rowBase += source.nObs;
      }
      if (journal.state.parts * this.#run.cellsPerPart < sourceRows) await this.#endPart();
      const files = new Map([...journal.state.files, ...(await this.#sink.finish())]);
      const header: TokenHeader = {
        layout: options.format ?? "mapped",
        cells: journal.state.cells,
        tokens: journal.state.tokens,
        sourceRows,
        idType: this.#idType,
        model,
        obs: options.obs ?? [],
        files,
      };
      const path = join(journal.directory, TOKEN_HEADER);
      writeSmallFile(path, encodeTokenHeader(header));
      return header;
    } finally {
      await this.#sink.close();
    }
  }

  async #source(source: CellSource, rowBase: number, totalRows: number): Promise<void> {
    const { journal, tokenizer, options, cellsPerPart } = this.#run;
    const begin = Math.max(0, journal.state.parts * cellsPerPart - rowBase);
    if (begin >= source.nObs) return;
    const { nCounts, filterPass, signal } = options;
    const turn = new Turn();
    const reading = {
      begin,
      ...(nCounts === undefined ? {} : { nCounts }),
      ...(filterPass === undefined ? {} : { filterPass }),
      ...(signal === undefined ? {} : { signal }),
    };
    for await (const { tokens, rowEnd } of tokenizeCells(source, tokenizer, reading)) {
      let from = 0;
      for (;;) {
        const partEnd = (journal.state.parts + 1) * cellsPerPart - rowBase;
        let to = from;
        while (to < tokens.count && (tokens.rows[to] as number) < partEnd) to++;
        if (to > from) await this.#sink.add(tokens, from, to, rowBase);
        this.#cells += to - from;
        this.#tokens += (tokens.offsets[to] as number) - (tokens.offsets[from] as number);
        from = to;
        if (rowEnd < partEnd) break;
        await this.#endPart();
      }
      await turn.pass(signal);
      options.onProgress?.({ rows: rowBase + rowEnd, totalRows });
    }
  }

  async #endPart(): Promise<void> {
    const { journal } = this.#run;
    const files = await this.#sink.endPart(journal.state.parts);
    journal.add(this.#cells, this.#tokens, files);
    this.#cells = 0;
    this.#tokens = 0;
  }
}

function modelOf({ vocabulary, clsId, eosId, maxTokens }: CellTokenizer): TokenModel {
  return {
    name: vocabulary.layout,
    vocabularySize: vocabulary.size,
    vocabularySha256: vocabularySha256(vocabulary),
    padId: vocabulary.idOf(vocabulary.special.pad),
    maskId: vocabulary.idOf(vocabulary.special.mask),
    clsId: clsId < 0 ? null : clsId,
    eosId: eosId < 0 ? null : eosId,
    maxTokens,
  };
}

/** All that the bytes of the output depend on, and which files were read. */
function settingsOf(
  sources: readonly CellSource[],
  tokenizer: CellTokenizer,
  model: TokenModel,
  options: TokenizeToDiskOptions,
): string {
  const { encoding, matrix, missingGenes, emptyCells, medians, mapping } = tokenizer;
  const {
    format = "mapped",
    cellsPerPart = 10_000,
    obs = [],
    genes,
    nCounts,
    filterPass,
  } = options;
  return sha256([
    sources.map(({ path, identity, nObs }) => [resolve(path), identity, nObs]),
    [
      encoding,
      matrix,
      missingGenes,
      emptyCells,
      sha256([...medians]),
      sha256([...(mapping ?? [])]),
    ],
    model,
    [format, cellsPerPart, obs, genes, options.matrix, nCounts, filterPass],
  ]);
}

function sha256(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

const TOKEN_NAMES: ReadonlySet<string> = new Set([
  TOKEN_HEADER,
  TOKEN_OBS_FILE,
  ...Object.values(TOKEN_FILES),
]);
const PART_NAME = /^(tokens-\d{6,}\.parquet|cells-\d{6,}\.tar(\.index)?)$/;

/** @throws StorageError unless `output` is absent, or tokens that may be replaced */
export function checkTokenOutput(output: string, overwrite: boolean): void {
  if (!existsSync(output)) return;
  checkOutput(output, overwrite, { has: (name) => TOKEN_NAMES.has(name) || PART_NAME.test(name) });
}
