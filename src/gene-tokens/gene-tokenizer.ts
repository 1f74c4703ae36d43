import { existsSync } from "node:fs";
import { FormatError, NotFoundError } from "../../formats/common/errors.ts";
import { writeSmallFile } from "../../formats/common/output-file.ts";
import { pythonText } from "../../formats/common/python-json.ts";
import type { GeneMedians } from "./gene-medians.ts";
import { BIONEMO_SPECIAL_TOKENS, GeneVocabulary, type TokenIds } from "./gene-vocabulary.ts";
import { asNames, type EnsemblMapping } from "./name-dictionary.ts";
import { describe, readJsonObjects } from "./read-dictionary.ts";

/**
 * BioNeMo's tokenizer of this name: whole strings are tokens, [CLS] 0, [MASK] 1, [PAD] 2, [SEP] 3,
 * [UKW] 4, then Ensembl ids in the order of their medians.
 */
export class GeneTokenizer {
  static readonly specialTokens = BIONEMO_SPECIAL_TOKENS;
  readonly vocabulary: GeneVocabulary;
  readonly geneToEns: EnsemblMapping;
  readonly ensToGene: EnsemblMapping;

  /** @throws InvalidArgumentError for a vocabulary without the special tokens or with bad ids. */
  constructor(vocab: TokenIds, geneToEns: EnsemblMapping = new Map()) {
    this.vocabulary = new GeneVocabulary(vocab, "bionemo");
    this.geneToEns = geneToEns;
    // As in the original, the last of several genes with one id gives the name.
    this.ensToGene = new Map(Array.from(geneToEns, ([gene, id]) => [id, gene]));
  }

  /** The vocabulary that training starts from: special tokens, then the genes that have a median. */
  static fromMediansAndGenes(
    medians: GeneMedians,
    geneToEns: EnsemblMapping = new Map(),
  ): GeneTokenizer {
    const tokens = new Set<string>([...BIONEMO_SPECIAL_TOKENS, ...medians.keys()]);
    return new GeneTokenizer(new Map(Array.from(tokens, (token, id) => [token, id])), geneToEns);
  }

  /**
   * Reads `geneformer.vocab`.
   * @throws NotFoundError when it is not there; FormatError naming the token for anything else.
   */
  static fromVocabFile(path: string): GeneTokenizer {
    if (!existsSync(path)) {
      const message = `Vocab file ${path} not found, run preprocessing to create it.`;
      throw new NotFoundError("no-such-file", message, { what: path });
    }
    const objects = readJsonObjects(path);
    const [vocab, genes] = ["vocab", "gene_to_ens"].map((name) => {
      const value: unknown = objects.get(name);
      if (value instanceof Map) return value;
      throw new FormatError(
        "bad-vocabulary",
        `expected an object ${JSON.stringify(name)}, found ${describe(value)}`,
        {
          path,
          suggestions: ["name BioNeMo's geneformer.vocab: medians and other dictionaries are none"],
        },
      );
    });
    const { ids } = GeneVocabulary.of(vocab ?? new Map(), path, "bionemo");
    return new GeneTokenizer(ids, asNames(genes ?? new Map(), path));
  }

  /** Writes `geneformer.vocab` with the bytes of the original. The file must not exist. */
  saveVocab(path: string): void {
    writeSmallFile(path, this.encodeVocab());
  }

  /** The bytes of `geneformer.vocab`. */
  encodeVocab(): Uint8Array {
    const vocab = Array.from(this.vocab, ([token, id]) => `${pythonText(token)}: ${id}`);
    const genes = Array.from(this.geneToEns, ([a, b]) => `${pythonText(a)}: ${pythonText(b)}`);
    return Buffer.from(`{"vocab": {${vocab.join(", ")}}, "gene_to_ens": {${genes.join(", ")}}}`);
  }

  get vocab(): TokenIds {
    return this.vocabulary.ids;
  }

  get vocabSize(): number {
    return this.vocabulary.size;
  }

  /** The size of the model's embedding: {@link vocabSize} rounded up. */
  paddedVocabSize(multiple = 128): number {
    return Math.ceil(this.vocabSize / multiple) * multiple;
  }

  get clsId(): number {
    return this.vocabulary.idOf("[CLS]");
  }

  get maskId(): number {
    return this.vocabulary.idOf("[MASK]");
  }

  get padId(): number {
    return this.vocabulary.idOf("[PAD]");
  }

  get sepId(): number {
    return this.vocabulary.idOf("[SEP]");
  }

  get specialIds(): readonly number[] {
    return this.vocabulary.specialIds;
  }

  /** The id of a token, or null. */
  tokenToId(token: string): number | null {
    return this.vocab.get(token) ?? null;
  }

  /** @throws NotFoundError "Do not recognize token: ..." */
  tokensToIds(tokens: readonly string[]): number[] {
    return tokens.map((token) => this.vocabulary.idOf(token));
  }

  /** @throws NotFoundError "Do not recognize ID: ..." */
  idsToTokens(ids: ArrayLike<number>): string[] {
    return this.vocabulary.decode(ids);
  }

  /** Ensembl ids of gene names. @throws NotFoundError "... not found" */
  genesToEnss(genes: readonly string[]): string[] {
    return genes.map((gene) => lookUp(this.geneToEns, gene));
  }

  /** Gene names of Ensembl ids. @throws NotFoundError "... not found" */
  enssToGenes(ids: readonly string[]): string[] {
    return ids.map((id) => lookUp(this.ensToGene, id));
  }
}

function lookUp(names: EnsemblMapping, name: string): string {
  const found = names.get(name);
  if (found !== undefined) return found;
  throw new NotFoundError("no-such-gene", `${name} not found`, { what: name });
}
