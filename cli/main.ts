import { fileURLToPath } from "node:url";
import { Config } from "@oclif/core/config";
import { run } from "@oclif/core/run";
import { closest } from "../formats/common/did-you-mean.ts";
import { InvalidArgumentError } from "../formats/common/errors.ts";
import { describeError, errorToJson, exitCodeOf, jsonValue, usageErrorOf } from "./error-text.ts";
import { ClosedOutputError, flushOutput, outputLost, watchOutput } from "./output.ts";
import { rankPrefix } from "./rank.ts";

/**
 * Runs one command line. Never rejects: an error becomes text on stderr (under `--json` an object
 * on stdout) and an exit code.
 *
 * @param moduleUrl `import.meta.url` of a file inside the package, from which oclif finds its root
 */
export async function main(argv: readonly string[], moduleUrl: string): Promise<void> {
  watchOutput();
  const words = asFlags(argv);
  try {
    // No plug-ins of the user's: loading them reads, and complains about, the home directory.
    const config = await Config.load({ root: fileURLToPath(moduleUrl), userPlugins: false });
    checkCommand(words, config);
    await run(words, config);
    await flushOutput();
    if (outputLost.aborted && !(outputLost.reason instanceof ClosedOutputError)) {
      throw outputLost.reason;
    }
  } catch (error) {
    await exitWith(error, words);
  }
}

/** `scdl help convert-h5ad` and `scdl version`, as other programs have them, in oclif's words. */
function asFlags(argv: readonly string[]): string[] {
  const [first, ...rest] = argv;
  if (first === "help") return [...rest, "--help"];
  if (first === "version" && rest.length === 0) return ["--version"];
  return [...argv];
}

/**
 * Refuses what names no command. oclif takes the words after an unknown command for its subcommands,
 * and answers a topic or nothing with help, which is no object for `--json`.
 */
function checkCommand(argv: readonly string[], config: Config): void {
  const end = argv.findIndex((word) => word.startsWith("-"));
  const words = end < 0 ? argv : argv.slice(0, end);
  const asksForHelp = argv.some((word) => ["--help", "-h", "--version"].includes(word));
  const ids = config.commandIDs.map((id) => id.replaceAll(":", " "));
  const isCommand = ids.some((id) => `${words.join(" ")} `.startsWith(`${id} `));
  const isTopic = words.length === 0 || ids.some((id) => id.startsWith(`${words.join(" ")} `));
  if (isCommand || (isTopic && (asksForHelp || (end !== 0 && !wantsJson(argv))))) return;
  const topic = ids.filter((id) => id.startsWith(`${words[0]} `));
  const name = words.slice(0, topic.length > 0 ? 2 : 1).join(" ");
  const meant = name === "" ? null : closest(name, ids);
  throw new InvalidArgumentError(
    "command",
    name,
    isTopic
      ? `expected a command${name === "" ? "" : ` of ${name}`}`
      : `there is no command "${name}"`,
    {
      suggestions: [
        ...(isTopic ? topic : meant === null ? [] : [meant]).map((id) => `scdl ${id}`),
        "scdl --help lists the commands",
      ],
    },
  );
}

/** How long what a failed command left behind may keep the process, in ms. */
const LEFTOVER_MS = 200;

/**
 * Prints the error, if it is one, and sets the exit code. The process ends when nothing is left to
 * do, and by force soon after if a worker or a handle stays: the user wants the prompt back.
 */
export async function exitWith(thrown: unknown, argv: readonly string[]): Promise<void> {
  const error = usageErrorOf(thrown);
  const code = exitCodeOf(error);
  if (code !== 0 && !(error instanceof ClosedOutputError)) {
    if (wantsJson(argv) && !outputLost.aborted) {
      process.stdout.write(`${JSON.stringify(errorToJson(error), jsonValue, 2)}\n`);
    } else {
      process.stderr.write(`${rankPrefix()}${describeError(error, { stack: wantsStack(argv) })}\n`);
    }
  }
  await flushOutput();
  process.exitCode = code;
  // `process.exit` at once waits for threads that compile, and they may wait for a collection of
  // garbage that never comes (nodejs/node#54918): the process would hang.
  setTimeout(() => process.exit(code), LEFTOVER_MS).unref();
}

function wantsStack(argv: readonly string[]): boolean {
  return argv.includes("--debug") || Boolean(process.env["DEBUG"]);
}

function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).includes("--json");
}
