import { fileURLToPath } from "node:url";
import { flush } from "@oclif/core/flush";
import { run } from "@oclif/core/run";
import { InvalidArgumentError } from "../formats/common/errors.ts";
import { describeError, exitCodeOf } from "./error-text.ts";

/**
 * Runs one command line. Never rejects: an error becomes text on stderr and an exit code.
 *
 * @param moduleUrl `import.meta.url` of a file inside the package, from which oclif finds its root
 */
export async function main(argv: readonly string[], moduleUrl: string): Promise<void> {
  try {
    // No plug-ins of the user's: loading them reads, and complains about, the home directory.
    await run([...argv], { root: fileURLToPath(moduleUrl), userPlugins: false });
    await flush();
  } catch (error) {
    await exitWith(unknownCommand(error) ?? error, argv);
  }
}

/** oclif takes the words after an unknown command for its subcommands and names them all. */
function unknownCommand(error: unknown): InvalidArgumentError | null {
  if (!(error instanceof Error)) return null;
  const [, name] = /^command (.+?)(?::.*)? not found$/s.exec(error.message) ?? [];
  if (name === undefined) return null;
  return new InvalidArgumentError("command", name, `there is no command "${name}"`, {
    suggestions: ["scdl --help lists the commands"],
  });
}

/** Prints the error, if it is one, and ends the process with its exit code. */
export async function exitWith(error: unknown, argv: readonly string[]): Promise<never> {
  const code = exitCodeOf(error);
  if (code !== 0) process.stderr.write(`${describeError(error, { stack: wantsStack(argv) })}\n`);
  await flush();
  // A failed command may leave a worker or a handle behind; the user wants the prompt back.
  process.exit(code);
}

function wantsStack(argv: readonly string[]): boolean {
  return argv.includes("--debug") || Boolean(process.env["DEBUG"]);
}
