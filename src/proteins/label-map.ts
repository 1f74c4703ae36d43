import { InvalidArgumentError } from "../../formats/common/errors.ts";

/** A class: text, or a number where every label of the column is one. */
export type Label = string | number;

/** Classes and their ids, 0 to size - 1 (BioNeMo's `Label2IDTokenizer`). */
export class LabelMap {
  /** Label of each id: Hugging Face's `id2label`. */
  readonly labels: readonly Label[];
  readonly #ids: ReadonlyMap<Label, number>;

  /** @param labels in the order of their ids. @throws InvalidArgumentError for one given twice. */
  constructor(labels: readonly Label[]) {
    const ids = new Map(labels.map((label, id) => [label, id]));
    if (ids.size < labels.length) {
      throw new InvalidArgumentError("labels", labels, "expected every label once");
    }
    this.labels = labels;
    this.#ids = ids;
  }

  /** Labels in the order they first appear. */
  static inOrderOfAppearance(labels: Iterable<Label>): LabelMap {
    return new LabelMap([...new Set(labels)]);
  }

  /** Labels sorted: numbers by value and before text, text by code point as Python sorts it. */
  static sorted(labels: Iterable<Label>): LabelMap {
    return new LabelMap([...new Set(labels)].sort(compareLabels));
  }

  get size(): number {
    return this.labels.length;
  }

  has(label: Label): boolean {
    return this.#ids.has(label);
  }

  /** @throws InvalidArgumentError "Do not recognize token: ..." as the original. */
  idOf(label: Label): number {
    const id = this.#ids.get(label);
    if (id !== undefined) return id;
    throw new InvalidArgumentError("label", label, `Do not recognize token: ${label}`, {
      suggestions: [`the labels known are ${this.labels.slice(0, 8).join(", ")}`],
    });
  }

  /** Hugging Face's `label2id`. */
  toJSON(): Record<string, number> {
    return Object.fromEntries(this.labels.map((label, id) => [label, id]));
  }
}

function compareLabels(a: Label, b: Label): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number" || typeof b === "number") return typeof a === "number" ? -1 : 1;
  return compareCodePoints(a, b);
}

/** Python's order of text; JavaScript's own, by UTF-16 units, differs beyond U+FFFF. */
export function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
