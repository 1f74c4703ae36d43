import { Command } from "@oclif/core/command";
import { boolean } from "@oclif/core/flags";
import {
  errorToJson,
  exitCodeOf,
  exitCodeOfSignal,
  InterruptedError,
  jsonValue,
  oneLine,
  usageErrorOf,
} from "./error-text.ts";
import { lastGiven } from "./last-given.ts";
import { outputLost } from "./output.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

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

  /** Aborts on the first signal and when nobody reads stdout; a second signal ends the process. */
  protected get signal(): AbortSignal {
    return this.#interruption.signal;
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.signal.aborted) process.exit(exitCodeOfSignal(signal));
    this.#interruption.abort(new InterruptedError(signal));
  };

  readonly #onOutputLost = (): void => this.#interruption.abort(outputLost.reason);

  protected override async init(): Promise<void> {
    await super.init();
    this.argv = lastGiven(this.argv, this.ctor.flags ?? {});
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    outputLost.addEventListener("abort", this.#onOutputLost, { once: true });
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    outputLost.removeEventListener("abort", this.#onOutputLost);
    await super.finally(error);
  }

  protected override async catch(error: Error): Promise<void> {
    const flags = Object.keys({ ...this.ctor.baseFlags, ...this.ctor.flags });
    // Work that was aborted may wrap or replace the reason; the user only interrupted.
    const reported = this.signal.aborted ? this.signal.reason : usageErrorOf(error, flags);
    if (!this.jsonEnabled() || outputLost.aborted) throw reported;
    // Else oclif takes arguments that could not be parsed for ones that nobody tried to parse.
    this.parsed = true;
    this.logJson(errorToJson(reported));
    process.exitCode = exitCodeOf(reported);
  }

  /** Prints a warning of the library on stderr, under `--json` too: stdout stays one object. */
  protected warning(message: string): void {
    process.stderr.write(`warning: ${oneLine(message)}\n`);
  }

  protected override logJson(json: unknown): void {
    process.stdout.write(`${JSON.stringify(json, jsonValue, 2)}\n`);
  }
}
