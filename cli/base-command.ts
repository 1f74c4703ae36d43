import { Command } from "@oclif/core/command";
import { boolean } from "@oclif/core/flags";
import {
  errorToJson,
  exitCodeOf,
  InterruptedError,
  jsonValue,
  oneLine,
  usageErrorOf,
} from "./error-text.ts";
import { lastGiven } from "./last-given.ts";
import { outputLost } from "./output.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/**
 * Signals of the same kind within this time are one: npm and mpirun pass on what the terminal has sent
 * to every process already.
 */
const SAME_SIGNAL_MS = 1000;

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

  /** When each signal came first. */
  readonly #signalled = new Map<NodeJS.Signals, number>();

  /**
   * Aborts on the first signal and when nobody reads stdout. The same signal again, a second or more
   * later, ends the process.
   */
  protected get signal(): AbortSignal {
    return this.#interruption.signal;
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const first = this.#signalled.get(signal);
    if (first === undefined) {
      this.#signalled.set(signal, performance.now());
      this.#interruption.abort(new InterruptedError(signal));
    } else if (performance.now() - first >= SAME_SIGNAL_MS) {
      process.stderr.write(`ended at once by a second ${signal}: what was in progress is lost\n`);
      // As the signal would have without a listener: threads in native code do not survive an exit.
      for (const name of SIGNALS) process.off(name, this.#onSignal);
      process.kill(process.pid, signal);
    }
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
