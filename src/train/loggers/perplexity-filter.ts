import type { Logger, Scalars } from "./logger.ts";

/** Perplexities of a run as its configuration asks for them: that of training is made of its loss. */
export class PerplexityFilter implements Logger {
  readonly #logger: Logger;
  readonly #train: boolean;
  readonly #val: boolean;

  constructor(logger: Logger, { train, val }: { readonly train: boolean; readonly val: boolean }) {
    this.#logger = logger;
    this.#train = train;
    this.#val = val;
  }

  log(step: number, scalars: Scalars): void {
    const { reduced_train_loss: loss } = scalars;
    const { val_perplexity: _left, ...others } = scalars;
    this.#logger.log(step, {
      ...(this.#val ? scalars : others),
      ...(this.#train && loss !== undefined ? { train_perplexity: Math.exp(loss) } : {}),
    });
  }

  close(): void {
    this.#logger.close();
  }
}
