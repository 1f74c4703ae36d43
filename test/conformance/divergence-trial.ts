/** One check of a row of the divergences: a folder of its own, and facts that must hold. */
import { join } from "node:path";
import { SingleCellDataset } from "../../src/dataset/single-cell-dataset.ts";
import { REPOSITORY_ROOT } from "../helpers/run-process.ts";
import type { Original } from "./original.ts";
import type { Build } from "./ours-to-theirs.ts";

export const FIXTURES = join(REPOSITORY_ROOT, "fixtures");

export class Trial {
  readonly found: string[] = [];
  readonly build: Build["name"];
  readonly original: Original;
  readonly folder: string;

  constructor({ name, original }: Build, folder: string) {
    this.build = name;
    this.original = original;
    this.folder = folder;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Equal as JSON. */
  equal(what: string, found: unknown, expected: unknown): void {
    const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
    if (a !== b) this.found.push(`${what}: expected ${b}, found ${a}`);
  }

  matches(what: string, found: unknown, expected: RegExp): void {
    if (!expected.test(String(found))) {
      this.found.push(`${what}: expected ${expected}, found ${String(found).slice(0, 160)}`);
    }
  }

  /** A small file made by Python. */
  async make(name: string): Promise<string> {
    const path = this.path(`${name}.h5ad`);
    await this.original.ask("make", { case: name, path });
    return path;
  }

  /** What the original's conversion ends with: its error, or "converted". */
  async convert(h5ad: string, output: string, options: Readonly<Record<string, unknown>> = {}) {
    return this.original
      .ask("convert", { h5ad, matrix: "X", output, ...options })
      .then(() => "converted", String);
  }

  async rows(archive: string): Promise<unknown> {
    using dataset = await SingleCellDataset.open(archive);
    return Array.from({ length: dataset.nObs }, (_, row) =>
      Array.from(dataset.rowDense(row), Number),
    );
  }
}

/** Named by the number of its row; adds what is not so to `found` of the trial. */
export type Check = (trial: Trial) => Promise<void>;
