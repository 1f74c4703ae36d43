/** Data sets that went into distributions: each once, unless repeats are allowed. */
import { realpathSync } from "node:fs";
import { IncompatibleError } from "../../formats/common/errors.ts";
import type { MediansSource } from "./cell-fingerprint.ts";

export interface RepeatOptions {
  /** Cells that were counted before are counted again. Default false: an error. */
  readonly allowRepeats?: boolean;
}

export interface MergeOptions extends RepeatOptions {
  /** What they are read from, for errors. */
  readonly place?: string;
}

/** Sources in an order that does not depend on how they came together. */
export class MediansSources {
  #all: MediansSource[] = [];

  /** By checksum. */
  list(): readonly MediansSource[] {
    return [...this.#all].sort((a, b) => (a.sha256 < b.sha256 ? -1 : Number(a.sha256 > b.sha256)));
  }

  /**
   * Adds all or none. Those without cells count for nothing.
   * @throws IncompatibleError "repeated-cells" naming both
   */
  add(sources: readonly MediansSource[], options: MergeOptions = {}): void {
    const added = sources.filter(({ cells }) => cells > 0);
    if (options.allowRepeats !== true) {
      for (const source of added) this.#requireNew(source, options.place);
    }
    this.#all.push(...added);
  }

  #requireNew({ path, cells, sha256 }: MediansSource, place = path): void {
    const before = this.#all.find((other) => other.sha256 === sha256);
    if (before === undefined) return;
    const [what, first] = [place === path ? path : `${place}: ${path}`, before.path];
    const as = first === path ? "" : `, as ${first}`;
    throw repeated(`${what}: its ${cells} cells were counted before${as}`);
  }
}

/** Before anything is read. @throws IncompatibleError "repeated-cells" for a path named twice */
export function requireDifferentPaths(
  paths: readonly string[],
  { allowRepeats = false }: RepeatOptions,
): void {
  if (allowRepeats) return;
  const seen = new Map<string, string>();
  for (const path of paths) {
    const real = realPath(path);
    const before = seen.get(real);
    if (before !== undefined) {
      throw repeated(`${path} was named twice${before === path ? "" : `, once as ${before}`}`);
    }
    seen.set(real, path);
  }
}

/** What cannot be resolved is left to whoever opens it. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function repeated(message: string): IncompatibleError {
  return new IncompatibleError("repeated-cells", message, {
    suggestions: ["name each data set once", "or count its cells again: --allow-repeats"],
  });
}
