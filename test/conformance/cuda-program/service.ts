/** The Python process of `service.py`, asked and waited for: libtorch's functions do not return early. */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const DRIVER = fileURLToPath(new URL("./service.py", import.meta.url));
/** A last answer when Python ends, so that nobody waits for one that does not come. */
const ENDING = `"$@"; echo '{"error":"service.py ended"}' 1<> "$ANSWERS"`;

/** A tensor as the service has it: of the host or of the device. */
export interface ServedTensor {
  readonly id: number;
  readonly dtype: number;
  readonly shape: readonly number[];
  readonly contiguous: boolean;
  /** Type (0 the host, 1 CUDA) and index. */
  readonly device: readonly [number, number];
}

/** Ends with the process that made it. */
export class TorchService {
  readonly #requests: number;
  readonly #answers: number;
  #rest = Buffer.alloc(0);

  /** @param workspace an empty folder */
  constructor(python: string, workspace: string) {
    const [requests, answers] = ["requests", "answers"].map((name) => join(workspace, name)) as [
      ...[string, string], // proof: of two come two
    ];
    execFileSync("mkfifo", [requests, answers]);
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1", PYTHONWARNINGS: "ignore" };
    const command = ["-c", ENDING, "sh", python, DRIVER, requests, answers];
    const stdio = ["ignore", "ignore", "inherit"] as const;
    const child = spawn("sh", command, { env: { ...env, ANSWERS: answers }, stdio: [...stdio] });
    child.unref();
    // Open for both: opening waits for nobody.
    this.#requests = openSync(requests, constants.O_RDWR);
    this.#answers = openSync(answers, constants.O_RDWR);
  }

  /** Python ends when nobody can ask it any more. */
  close(): void {
    closeSync(this.#requests);
    closeSync(this.#answers);
  }

  ask(name: string, ...given: readonly unknown[]): unknown {
    writeAll(this.#requests, Buffer.from(`${JSON.stringify([name, ...given])}\n`));
    const answer: unknown = JSON.parse(this.#line());
    if (typeof answer === "object" && answer !== null && "ok" in answer) return answer.ok;
    const error = answer as { readonly error: string }; // proof: one of the two
    throw new Error(`${name} ${JSON.stringify(given).slice(0, 500)}: ${error.error}`);
  }

  #line(): string {
    for (;;) {
      const end = this.#rest.indexOf(10);
      if (end >= 0) {
        const line = this.#rest.toString("utf8", 0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      const part = Buffer.alloc(2 ** 16);
      const count = readSync(this.#answers, part);
      this.#rest = Buffer.concat([this.#rest, part.subarray(0, count)]);
    }
  }
}

function writeAll(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}
