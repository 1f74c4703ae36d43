import { parse } from "csv-parse/sync";
import { LogFile, linesOf } from "./log-file.ts";
import type { LogFileOptions, Logger, Scalars } from "./logger.ts";

/**
 * A table: `step`, then a column for every name in the order in which they came up. What a step has
 * no value for is empty. A new name rewrites the file with one column more.
 */
export class CsvLogger implements Logger {
  readonly #path: string;
  readonly #file: LogFile;
  #columns: string[] = ["step"];

  /** @throws StorageError */
  constructor(path: string, options: LogFileOptions = {}) {
    const fromStep = options.fromStep ?? 0;
    this.#path = path;
    let rows: string[] = [];
    if (fromStep > 0) {
      const [header, ...lines] = linesOf(path);
      if (header !== undefined && header.split(",")[0] === "step") {
        this.#columns = namesOf(header);
        rows = lines.filter((line) => Number(line.split(",")[0]) < fromStep);
      }
    }
    this.#file = new LogFile(path, [this.#header(), ...rows]);
  }

  log(step: number, scalars: Scalars): void {
    const added = Object.keys(scalars).filter((name) => !this.#columns.includes(name));
    if (added.length > 0) {
      this.#columns.push(...added);
      const empty = ",".repeat(added.length);
      const rows = linesOf(this.#path).slice(1);
      this.#file.replace([this.#header(), ...rows.map((row) => row + empty)]);
    }
    const cells = this.#columns.slice(1).map((name) => scalars[name] ?? "");
    this.#file.append([step, ...cells].join(","));
  }

  close(): void {
    this.#file.close();
  }

  #header(): string {
    return this.#columns.map(quotedIfNeeded).join(",");
  }
}

function quotedIfNeeded(name: string): string {
  return /[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}

function namesOf(header: string): string[] {
  const [names = []] = parse(header) as string[][]; // rows of text, without the `columns` option
  return names;
}
