import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { Cell } from "../../formats/table/table.ts";
import { columnLabels, numberOf } from "./label-column.ts";
import { type Label, LabelMap } from "./label-map.ts";
import {
  assertLength,
  ProteinDataset,
  type ProteinDatasetOptions,
  type ProteinFileOptions,
} from "./protein-dataset.ts";
import { readProteinTable } from "./protein-table.ts";

export type TaskType = "regression" | "classification";

export interface SingleValueOptions extends ProteinDatasetOptions {
  /** Default "regression". */
  readonly taskType?: TaskType;
  /** Ids of classes, e.g. those of the training data. Default: of the labels, sorted. */
  readonly labelMap?: LabelMap | undefined;
}

export interface SingleValueFileOptions extends ProteinFileOptions {
  /** Default "labels". */
  readonly labelColumn?: string;
  readonly taskType?: TaskType;
  readonly labelMap?: LabelMap | undefined;
}

/**
 * Proteins with one value each: `labels` of an item is a Float32Array of one number (regression) or an
 * Int32Array of one class id. Ids are those of the sorted labels: numbers by value, text by code point.
 */
export class InMemorySingleValueDataset extends ProteinDataset<Int32Array | Float32Array> {
  readonly taskType: TaskType;
  /** Null for a regression. */
  readonly labelMap: LabelMap | null;
  readonly #options: SingleValueOptions;
  readonly #values: readonly Label[];

  /** @throws InvalidArgumentError or FormatError naming the row of a value that is no number. */
  constructor(
    sequences: readonly string[],
    labels: readonly Exclude<Cell, null>[],
    options: SingleValueOptions = {},
  ) {
    super(sequences, options);
    this.#options = options;
    const { taskType = "regression" } = options;
    if (taskType !== "regression" && taskType !== "classification") {
      throw new InvalidArgumentError(
        "taskType",
        taskType,
        `${String(taskType)} task type is not supported with InMemorySingleValueDataset`,
      );
    }
    assertLength("labels", labels, sequences.length);
    this.taskType = taskType;
    if (taskType === "regression") {
      this.#values = labels.map((label, i) => {
        const value = numberOf(label);
        if (value !== null && Number.isFinite(value)) return value;
        throw this.error(i, `expected a finite number as label, found ${String(label)}`, [
          "of names of classes: --task-type classification",
          "name the column of numbers: --label-column",
        ]);
      });
      this.labelMap = null;
    } else {
      this.#values = columnLabels(labels, (i, problem) => this.error(i, problem));
      this.labelMap = options.labelMap ?? LabelMap.sorted(this.#values);
    }
  }

  /** @throws FormatError naming the line of a bad or missing value, NotFoundError "no-such-column". */
  static async fromFile(
    path: string,
    options: SingleValueFileOptions = {},
  ): Promise<InMemorySingleValueDataset> {
    const { labelColumn = "labels" } = options;
    if (options.labelsMaskColumn !== undefined) {
      throw new InvalidArgumentError(
        "labelsMaskColumn",
        options.labelsMaskColumn,
        "labelsMaskColumn is only supported for InMemoryPerTokenValueDataset",
        {
          suggestions: ["--task-type token-classification has a label and a mask for each residue"],
        },
      );
    }
    const table = await readProteinTable(path, { ...options, labelColumn });
    return new InMemorySingleValueDataset(table.sequences, table.labels ?? [], {
      ...options,
      weights: table.weights,
      places: table.places.map((place) => `${path}, ${place}`),
    });
  }

  /**
   * The same proteins with the class ids of other data: validation data with those of training.
   * @throws InvalidArgumentError or FormatError naming the row of a label that is not among them.
   */
  withLabelMap(labelMap: LabelMap): InMemorySingleValueDataset {
    const unknown = this.#values.findIndex((value) => !labelMap.has(value));
    if (unknown >= 0) throw this.unknownLabel(unknown, this.#values[unknown] as Label);
    return new InMemorySingleValueDataset(this.sequences, this.#values, {
      ...this.#options,
      labelMap,
    });
  }

  /** Of the values of a regression; 0 for classes. */
  get labelMean(): number {
    if (this.labelMap !== null || this.length === 0) return 0;
    return this.#values.reduce<number>((sum, value) => sum + Number(value), 0) / this.length;
  }

  protected override content(): unknown {
    return [this.sequences, this.#values, this.labelMap];
  }

  protected override labelsOf(index: number): Int32Array | Float32Array {
    const value = this.#values[index] as Label;
    if (this.labelMap === null) return Float32Array.of(value as number);
    return Int32Array.of(this.labelMap.idOf(value));
  }
}
