/** One Python process that answers questions about the original packages (original.py). */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

const DRIVER = fileURLToPath(new URL("./original.py", import.meta.url));
const ANSWER_TIMEOUT_MS = 180_000;

/** The original refused or failed; the message begins with the Python class. */
export class OriginalError extends Error {}

export class Original implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  /** @param source a checkout of bionemo-scdl to import instead of the installed wheel */
  static async start(python: string, source: string | null): Promise<Original> {
    const env = {
      ...process.env,
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONWARNINGS: "ignore",
      ...(source === null ? {} : { PYTHONPATH: source }),
    };
    const child = spawn(python, [DRIVER], { env, stdio: ["pipe", "pipe", "inherit"] });
    const original = new Original(child);
    await original.#answer();
    return original;
  }

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** One request at a time. Throws {@link OriginalError} with what Python raised. */
  async ask(op: string, parameters: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify({ op, ...parameters })}\n`);
    return await this.#answer();
  }

  async #answer(): Promise<unknown> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), ANSWER_TIMEOUT_MS);
    const line = await this.#lines.next();
    clearTimeout(timer);
    if (line.done === true) {
      throw new Error(`original.py ended or gave no answer within ${ANSWER_TIMEOUT_MS / 1000} s`);
    }
    const answer: unknown = JSON.parse(line.value);
    if (typeof answer !== "object" || answer === null) throw new Error("original.py: no object");
    if ("error" in answer) throw new OriginalError(String(answer.error));
    return "ok" in answer ? answer.ok : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await new Promise((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) resolve(null);
      else this.#child.once("exit", resolve);
    });
  }
}

/** Narrows the answer of an operation that lists differences. */
export function asStrings(answer: unknown): string[] {
  if (!Array.isArray(answer) || !answer.every((item) => typeof item === "string")) {
    throw new Error(`expected a list of differences, found ${JSON.stringify(answer)}`);
  }
  return answer;
}
