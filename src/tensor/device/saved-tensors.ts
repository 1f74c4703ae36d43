/**
 * What forward operations of a run leave for their backward ones, by the id of their first output. The
 * tensors are kept beyond the operation that saved them, until they are forgotten.
 */
export class SavedTensors<T> {
  readonly #keep: (tensor: T) => void;
  readonly #release: (tensor: T) => void;
  readonly #saved = new Map<number, readonly T[]>();

  constructor(keep: (tensor: T) => void, release: (tensor: T) => void) {
    this.#keep = keep;
    this.#release = release;
  }

  save(id: number, tensors: readonly T[]): void {
    for (const tensor of tensors) this.#keep(tensor);
    this.#saved.set(id, tensors);
  }

  /** Whether {@link save} was called for it. */
  hasSaved(id: number): boolean {
    return this.#saved.has(id);
  }

  saved(id: number): readonly T[] {
    const tensors = this.#saved.get(id);
    if (tensors === undefined) throw new Error("a backward operation came before its forward one");
    return tensors;
  }

  /** Frees what was saved for an output that is needed no more. */
  forget(id: number): void {
    for (const tensor of this.#saved.get(id) ?? []) this.#release(tensor);
    this.#saved.delete(id);
  }

  /** Frees all that is left. */
  end(): void {
    for (const id of [...this.#saved.keys()]) this.forget(id);
  }
}
