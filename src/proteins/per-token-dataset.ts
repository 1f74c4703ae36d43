import type { Cell } from "../../formats/table/table.ts";
import { IGNORED_LABEL } from "../tokenize/bert-mask.ts";
import { compareCodePoints, type Label, LabelMap } from "./label-map.ts";
import {
  assertLength,
  ProteinDataset,
  type ProteinDatasetOptions,
  type ProteinFileOptions,
} from "./protein-dataset.ts";
import { readProteinTable } from "./protein-table.ts";

export interface PerTokenOptions extends ProteinDatasetOptions {
  /** Ids of classes, e.g. those of the training data. Default: of these labels. */
  readonly labelMap?: LabelMap | undefined;
  /** Strings of 0 and 1, one character a residue: which count in the loss. Default all. */
  readonly labelsMask?: readonly string[] | null | undefined;
}

export interface PerTokenFileOptions extends ProteinFileOptions {
  /** Default "labels". */
  readonly labelColumn?: string;
  readonly labelMap?: LabelMap | undefined;
}

/**
 * Proteins with a class for every residue, e.g. secondary structure: a string of one character per
 * residue, or a list. Ids are given in the order in which classes appear in the sorted label strings;
 * `<cls>` and `<eos>` have label -100.
 */
export class InMemoryPerTokenValueDataset extends ProteinDataset<Int32Array> {
  readonly labelMap: LabelMap;
  readonly #options: PerTokenOptions;
  readonly #labels: readonly (readonly Label[])[];
  readonly #labelsMask: readonly string[] | null;

  /** @throws InvalidArgumentError or FormatError naming the row of labels that are no list of classes. */
  constructor(
    sequences: readonly string[],
    labels: readonly Exclude<Cell, null>[],
    options: PerTokenOptions = {},
  ) {
    super(sequences, options);
    this.#options = options;
    const { labelsMask = null } = options;
    assertLength("labels", labels, sequences.length);
    if (labelsMask !== null) assertLength("labelsMask", labelsMask, sequences.length);
    this.#labels = labels.map((cell, i) => this.#classes(cell, i));
    this.#labelsMask = labelsMask;
    this.labelMap = options.labelMap ?? mapOf(this.#labels);
  }

  /** @throws FormatError naming the line of bad or missing labels, NotFoundError "no-such-column". */
  static async fromFile(
    path: string,
    options: PerTokenFileOptions = {},
  ): Promise<InMemoryPerTokenValueDataset> {
    const { labelColumn = "labels" } = options;
    const table = await readProteinTable(path, { ...options, labelColumn });
    return new InMemoryPerTokenValueDataset(table.sequences, table.labels ?? [], {
      ...options,
      labelsMask: table.labelsMask,
      weights: table.weights,
      places: table.places.map((place) => `${path}, ${place}`),
    });
  }

  /**
   * The same proteins with the class ids of other data: validation data with those of training.
   * @throws InvalidArgumentError or FormatError naming the row of a label that is not among them.
   */
  withLabelMap(labelMap: LabelMap): InMemoryPerTokenValueDataset {
    for (const [i, classes] of this.#labels.entries()) {
      for (const label of classes) if (!labelMap.has(label)) throw this.unknownLabel(i, label);
    }
    return new InMemoryPerTokenValueDataset(this.sequences, this.#labels, {
      ...this.#options,
      labelMap,
    });
  }

  /** There are no values. */
  get labelMean(): number {
    return 0;
  }

  protected override content(): unknown {
    return [this.sequences, this.#labels, this.#labelsMask, this.labelMap];
  }

  protected override labelsOf(index: number, text: Int32Array): Int32Array {
    const classes = this.#labels[index] as readonly Label[];
    if (classes.length !== text.length - 2) {
      throw this.error(
        index,
        `${classes.length} labels for a protein of ${text.length - 2} tokens`,
        ["labels of residues are a text with one letter for each: --label-column names it"],
      );
    }
    const labels = new Int32Array(text.length).fill(IGNORED_LABEL);
    for (const [i, label] of classes.entries()) labels[i + 1] = this.labelMap.idOf(label);
    return labels;
  }

  protected override lossMaskOf(index: number, text: Int32Array): Uint8Array {
    const lossMask = super.lossMaskOf(index, text);
    const bits = this.#labelsMask?.[index];
    if (bits === undefined) return lossMask;
    const counted = lossMask.reduce((sum, counts) => sum + counts, 0);
    const isPerToken = bits.length === text.length - 2;
    if (!isPerToken && bits.length !== counted) {
      throw this.error(
        index,
        `a labels mask of ${bits.length} characters for a protein of ${text.length - 2} tokens`,
      );
    }
    // The original leaves out special tokens inside the protein; one character a token is natural.
    let at = 0;
    for (let i = 1; i < text.length - 1; i++) {
      const isSpecial = lossMask[i] === 0;
      if (!isSpecial && bits[at] !== "1") lossMask[i] = 0;
      if (isPerToken || !isSpecial) at++;
    }
    return lossMask;
  }

  #classes(cell: Exclude<Cell, null>, index: number): Label[] {
    if (typeof cell === "string") return [...cell];
    if (!Array.isArray(cell)) {
      throw this.error(index, "expected a string or a list of labels, one for each residue");
    }
    return cell.map((label) => {
      if (typeof label === "string" || typeof label === "number") return label;
      if (typeof label === "bigint") return Number(label);
      throw this.error(index, `expected text or numbers as labels, found ${JSON.stringify(label)}`);
    });
  }
}

function mapOf(labels: readonly (readonly Label[])[]): LabelMap {
  if (labels.some((classes) => classes.some((label) => typeof label === "number"))) {
    return LabelMap.sorted(labels.flat());
  }
  const sorted = labels.map((classes) => classes.join("")).sort(compareCodePoints);
  const isText = labels.every((classes) =>
    classes.every((label) => [...String(label)].length === 1),
  );
  return isText
    ? LabelMap.inOrderOfAppearance(sorted.flatMap((text) => [...text]))
    : LabelMap.sorted(labels.flat());
}
