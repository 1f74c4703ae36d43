import type { ScdlDType } from "../../formats/common/dtype.ts";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { BoundCellTokenizer } from "./bound-cell-tokenizer.ts";
import { bindColumns, type MissingGenes } from "./gene-columns.ts";
import type { GeneMedians } from "./gene-medians.ts";
import type { GeneVocabulary } from "./gene-vocabulary.ts";
import type { EnsemblMapping } from "./name-dictionary.ts";

/** What becomes of a cell without a single token of its own. */
export type EmptyCells = "error" | "skip" | "empty";

export interface CellTokenizerOptions {
  readonly vocabulary: GeneVocabulary;
  readonly medians: GeneMedians;
  /**
   * Names to Ensembl ids: genes that come to the same id are summed. Default: the ids as they are,
   * summed where an id is there twice ("geneformer"), or as they are ("bionemo").
   */
  readonly mapping?: EnsemblMapping;
  /**
   * Whose ranks. "bionemo": the counts of a cell are the sum of its genes in the vocabulary.
   * "geneformer": of all its genes, or the `nCounts` given. Default by the vocabulary's layout.
   */
  readonly encoding?: "bionemo" | "geneformer";
  /**
   * For "geneformer": the rounding of the official tokenizer for a sparse matrix (default) or for a
   * dense one and loom files, where stored zeros are left out as well.
   */
  readonly matrix?: "sparse" | "dense";
  /** Longest sequence, special tokens included. Default 2,048, for layout V2 4,096. */
  readonly maxTokens?: number;
  /** Puts the cls token first. Default true where the layout has one. */
  readonly cls?: boolean;
  /** Puts the eos token last. Default true for V2, false for "bionemo" (its token is [SEP]). */
  readonly eos?: boolean;
  /** Default "skip". "unknown" ranks them with a median of 1 under the unknown token. */
  readonly missingGenes?: MissingGenes;
  /**
   * Default as the originals: "skip" for "geneformer"; "error" for "bionemo", where it means cells
   * without stored values, and cells without a known gene become their special tokens.
   */
  readonly emptyCells?: EmptyCells;
}

/** What a tokenizer must know of a matrix. */
export interface CellMatrixTypes {
  /** Element type of the values on disk. */
  readonly data: ScdlDType;
  /** "float32" when the cell counts handed in were float32 numbers. Default "float64". */
  readonly nCounts?: "float32" | "float64";
}

/** Cells as ranked genes: how, for any data set. {@link bind} makes it ready for one. */
export class CellTokenizer {
  readonly vocabulary: GeneVocabulary;
  readonly medians: GeneMedians;
  readonly mapping: EnsemblMapping | null;
  readonly encoding: "bionemo" | "geneformer";
  readonly matrix: "sparse" | "dense";
  readonly maxTokens: number;
  readonly missingGenes: MissingGenes;
  readonly emptyCells: EmptyCells;
  /** Ids put around the genes; -1 for none. */
  readonly clsId: number;
  readonly eosId: number;

  /** @throws InvalidArgumentError for special tokens that the vocabulary has not, or no room. */
  constructor(options: CellTokenizerOptions) {
    const { vocabulary } = options;
    const { layout } = vocabulary;
    this.vocabulary = vocabulary;
    this.medians = options.medians;
    this.mapping = options.mapping ?? null;
    this.encoding = options.encoding ?? (layout === "bionemo" ? "bionemo" : "geneformer");
    this.matrix = options.matrix ?? "sparse";
    this.maxTokens = options.maxTokens ?? vocabulary.maxTokens;
    this.missingGenes = options.missingGenes ?? "skip";
    this.emptyCells = options.emptyCells ?? (this.encoding === "bionemo" ? "error" : "skip");
    this.clsId = specialId(vocabulary, "cls", options.cls ?? vocabulary.special.cls !== null);
    this.eosId = specialId(vocabulary, "eos", options.eos ?? layout === "V2");
    if (!(Number.isSafeInteger(this.maxTokens) && this.maxGenes >= 0)) {
      throw new InvalidArgumentError(
        "maxTokens",
        this.maxTokens,
        `maxTokens is ${this.maxTokens}, expected an integer with room for the special tokens`,
      );
    }
  }

  /** Genes that fit between the special tokens. */
  get maxGenes(): number {
    return this.maxTokens - (this.clsId >= 0 ? 1 : 0) - (this.eosId >= 0 ? 1 : 0);
  }

  /**
   * Ready for matrices whose column c is gene `genes[c]`, one Ensembl id (or a name that the mapping
   * knows) each. Not to be used by two callers at a time: it keeps its memory.
   * @throws NotFoundError for missingGenes "unknown" without such a token.
   */
  bind(genes: readonly string[], types: CellMatrixTypes): BoundCellTokenizer {
    const isMerging = this.encoding === "geneformer" || this.mapping !== null;
    const columns = bindColumns(genes, {
      vocabulary: this.vocabulary,
      medians: this.medians,
      mapping: this.mapping,
      missingGenes: this.missingGenes,
      isMerging,
      isReciprocal: this.encoding === "geneformer" && this.matrix === "sparse",
    });
    return new BoundCellTokenizer(this, columns, types);
  }
}

function specialId(vocabulary: GeneVocabulary, name: "cls" | "eos", isWanted: boolean): number {
  if (!isWanted) return -1;
  const token = vocabulary.special[name];
  if (token !== null) return vocabulary.idOf(token);
  throw new InvalidArgumentError(
    name,
    true,
    `<${name}> is asked for and a vocabulary of layout ${vocabulary.layout} has none`,
  );
}
