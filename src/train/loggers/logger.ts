/** Where the numbers of a run go. */

/** Numbers of one step by name, e.g. `reduced_train_loss`, `val_loss`, `lr`. */
export type Scalars = Readonly<Record<string, number>>;

/**
 * A place for the numbers of a run. Calls come in the order of the steps; a step may come more than
 * once, with other names. `close()` may be called twice.
 */
export interface Logger {
  /** @throws StorageError when the place takes no more, e.g. a full disk */
  log(step: number, scalars: Scalars): void;
  close(): void;
}

export interface LogFileOptions {
  /**
   * The step a resumed run goes on at: what an earlier run wrote of it and of later steps is
   * dropped. Default 0: a file that is there is replaced.
   */
  readonly fromStep?: number;
}

/** Gives every number to each of several loggers; all are closed, whatever one of them throws. */
export class LoggerGroup implements Logger {
  readonly #loggers: readonly Logger[];

  constructor(loggers: readonly Logger[]) {
    this.#loggers = loggers;
  }

  log(step: number, scalars: Scalars): void {
    for (const logger of this.#loggers) logger.log(step, scalars);
  }

  close(): void {
    const failures: unknown[] = [];
    for (const logger of this.#loggers) {
      try {
        logger.close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
