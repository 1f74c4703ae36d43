import { Command } from "@oclif/core/command";
import { boolean } from "@oclif/core/flags";
import {
  EXIT_INTERRUPTED,
  errorToJson,
  exitCodeOf,
  InterruptedError,
  jsonValue,
} from "./error-text.ts";

/**
 * What every command has in common: `--json`, `--debug`, and a signal that fires on Ctrl-C.
 *
 * A subclass parses, calls the library with `signal: this.signal`, prints with `this.log` (silent
 * under `--json`) and returns the object that `--json` prints. Errors are thrown, not printed.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = {
    debug: boolean({ summary: "Print the stack of an error.", helpGroup: "GLOBAL" }),
  };

  readonly #interruption = new AbortController();

  /** Aborts on the first SIGINT or SIGTERM; a second one ends the process at once. */
  protected get signal(): AbortSignal {
    return this.#interruption.signal;
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.signal.aborted) process.exit(EXIT_INTERRUPTED);
    this.#interruption.abort(new InterruptedError(signal));
  };

  protected override async init(): Promise<void> {
    await super.init();
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
    await super.finally(error);
  }

  protected override async catch(error: Error): Promise<void> {
    // Work that was aborted may wrap or replace the reason; the user only interrupted.
    const reported: unknown = this.signal.aborted ? this.signal.reason : error;
    if (!this.jsonEnabled()) throw reported;
    this.logJson(errorToJson(reported));
    process.exitCode = exitCodeOf(reported);
  }

  /** Prints a warning of the library on stderr, under `--json` too: stdout stays one object. */
  protected warning(message: string): void {
    process.stderr.write(`warning: ${message}\n`);
  }

  protected override logJson(json: unknown): void {
    process.stdout.write(`${JSON.stringify(json, jsonValue, 2)}\n`);
  }
}
