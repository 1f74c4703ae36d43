import type { PreparationProgress } from "../src/train/data/preparation.ts";
import { formatCount, ProgressLine } from "./progress.ts";

const DONE = { reading: "read", converting: "converted", medians: "computed medians of" };

/** Shows what is done with the data before the first step: a line while it runs, one when it is done. */
export class PreparationLines implements Disposable {
  readonly #line = new ProgressLine();
  readonly #log: (line: string) => void;
  readonly #unit: string;
  #told: PreparationProgress["label"] | null = null;

  /** @param unit plural of what the data are */
  constructor(unit: string, log: (line: string) => void) {
    this.#unit = unit;
    this.#log = log;
  }

  update({ label, done, total }: PreparationProgress): void {
    this.#line.update({ label, done, ...(total === null ? {} : { total }), unit: this.#unit });
    if (done !== total) this.#told = null;
    if (done !== total || this.#told === label) return;
    this.#line.clear();
    this.#log(`${DONE[label]} ${formatCount(total)} ${this.#unit}`);
    this.#told = label;
  }

  [Symbol.dispose](): void {
    this.#line.clear();
  }
}
