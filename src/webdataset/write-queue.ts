/**
 * Runs what is asked for in the order in which it was asked for, whether callers wait or not.
 *
 * An error goes to the caller of its own call; where nobody waits for that one, {@link drain} throws
 * it if it had not happened before.
 */
export class WriteQueue {
  /** Settled when the last one is done; null when nothing runs. Never rejects. */
  #tail: Promise<void> | null = null;
  readonly #pending = new Map<symbol, Promise<unknown>>();
  #failures: unknown[] | null = null;

  run<T>(work: () => Promise<T>): Promise<T> {
    const token = Symbol("write");
    const result = this.#inTurn(token, work);
    this.#pending.set(token, result);
    return result;
  }

  /** Waits for all of them. @throws the first error of those that had not ended. */
  async drain(): Promise<void> {
    this.#failures ??= [];
    const failures = this.#failures;
    await this.settle();
    if (failures.length > 0) throw failures[0];
  }

  /** Waits for all of them; their errors are for their callers alone. */
  async settle(): Promise<void> {
    for (const result of this.#pending.values()) result.catch(() => {});
    while (this.#tail !== null) await this.#tail;
  }

  /** Nothing here handles the promise that is returned: an error that nobody sees is not lost. */
  async #inTurn<T>(token: symbol, work: () => Promise<T>): Promise<T> {
    const before = this.#tail;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tail = promise;
    try {
      if (before !== null) await before;
      return await work();
    } catch (error) {
      this.#failures?.push(error);
      throw error;
    } finally {
      this.#pending.delete(token);
      if (this.#tail === promise) this.#tail = null;
      resolve();
    }
  }
}
