import { FormatError } from "../../formats/common/errors.ts";
import { type Label, LabelMap } from "../proteins/label-map.ts";
import type { ProteinItem } from "../proteins/protein-dataset.ts";
import type { EpochIndex, MultiEpochDataset } from "../sampling/multi-epoch-dataset.ts";
import type { CellValue } from "./cell-obs.ts";
import { type CellEnds, type CellVocabulary, MaskedCells } from "./masked-cells.ts";
import type { RankedCells } from "./ranked-cells.ts";

export type CellTask = "regression" | "classification";

export interface LabelledCellsOptions {
  readonly vocabulary: CellVocabulary;
  readonly ends: CellEnds;
  /** Longest item, special tokens included. */
  readonly maxLen: number;
  /** Obs column. */
  readonly label: string;
  /** Default: classification for a column of text, regression for one of numbers. */
  readonly task?: CellTask | undefined;
  /** Ids of classes, those of the training data. Default: of these labels, sorted. */
  readonly labelMap?: LabelMap | null | undefined;
}

/** Tokens of a cell, unmasked, with its value or class. */
export type LabelledCell = ProteinItem<Int32Array | Float32Array>;

/** Cells with an obs column as labels. They stay the caller's to close. */
export class LabelledCells implements MultiEpochDataset<LabelledCell> {
  readonly length: number;
  readonly identity: string;
  readonly task: CellTask;
  /** Null for a regression. */
  readonly labelMap: LabelMap | null;
  readonly #cells: MaskedCells;
  /** [cells] numbers, or ids of classes. */
  readonly #labels: Float32Array | Int32Array;

  private constructor(
    cells: MaskedCells,
    task: CellTask,
    labelMap: LabelMap | null,
    labels: Float32Array | Int32Array,
    label: string,
  ) {
    this.length = cells.length;
    this.identity = JSON.stringify([cells.identity, label, task, labelMap?.labels ?? null]);
    this.task = task;
    this.labelMap = labelMap;
    this.#cells = cells;
    this.#labels = labels;
  }

  /**
   * @throws NotFoundError "no-such-column"; FormatError naming the row of a label that is missing, no
   *   number, or not among the classes of the training data
   */
  static async open(ranked: RankedCells, options: LabelledCellsOptions): Promise<LabelledCells> {
    const { label, task: asked, labelMap: given, vocabulary, ends, maxLen } = options;
    const column = await ranked.obs(label);
    const task = asked ?? (column.isNumeric ? "regression" : "classification");
    const values = Array.from({ length: ranked.length }, (_, row) => {
      return labelOf(column.at(row), task, () => column.place(row));
    });
    const cells = new MaskedCells(ranked, vocabulary, { ...ends, maxLen, maskProb: 0 });
    if (task === "regression") {
      return new LabelledCells(cells, task, null, Float32Array.from(values, Number), label);
    }
    const map = given ?? LabelMap.sorted(values);
    const unknown = values.findIndex((value) => !map.has(value));
    if (unknown >= 0) {
      const message = `the class ${values[unknown]} is not in the training data`;
      throw new FormatError("bad-label", message, {
        path: column.place(unknown),
        suggestions: ["leave its cells out, or add some of that class to the training data"],
      });
    }
    const ids = Int32Array.from(values, (value) => map.idOf(value));
    return new LabelledCells(cells, task, map, ids, label);
  }

  /** Of the values of a regression; 0 for classes. */
  get labelMean(): number {
    if (this.labelMap !== null || this.length === 0) return 0;
    let sum = 0;
    for (const value of this.#labels) sum += value;
    return sum / this.length;
  }

  /** @throws FormatError "empty-cell" for a cell without stored values */
  at({ idx }: EpochIndex): LabelledCell {
    const item = this.#cells.at({ epoch: 0, idx });
    return { ...item, labels: this.#labels.slice(idx, idx + 1) };
  }
}

function labelOf(value: CellValue, task: CellTask, place: () => string): Label {
  const plain = typeof value === "bigint" ? Number(value) : value;
  if (task === "regression") {
    if (typeof plain === "number" && Number.isFinite(plain)) return plain;
    const message = `expected a finite number as label, found ${String(value)}`;
    throw new FormatError("bad-label", message, {
      path: place(),
      suggestions: [
        "of names of classes: --task-type classification",
        "name the column of numbers: --label",
      ],
    });
  }
  if (typeof plain === "string" || typeof plain === "number") return plain;
  if (typeof plain === "boolean") return String(plain);
  throw new FormatError("bad-label", "the cell has no label", {
    path: place(),
    suggestions: ["leave out such cells before the conversion, or give them a class"],
  });
}
