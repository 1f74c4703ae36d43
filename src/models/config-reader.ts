import { FormatError } from "../../formats/common/errors.ts";

/** Values of a `config.json`, each checked; null counts as not there. */
export class ConfigReader {
  readonly #json: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(json: Readonly<Record<string, unknown>>, path: string) {
    this.#json = json;
    this.#path = path;
  }

  number(name: string, fallback: number): number {
    const value = this.#json[name] ?? fallback;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw this.#wrong(name, "a number", value);
  }

  /** A whole number, 0 or more. */
  whole(name: string, fallback: number): number {
    const value = this.#json[name] ?? fallback;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.#wrong(name, "a whole number", value);
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.#json[name] ?? fallback;
    if (typeof value === "boolean") return value;
    throw this.#wrong(name, "true or false", value);
  }

  text(name: string, fallback: string): string {
    const value = this.#json[name] ?? fallback;
    if (typeof value === "string") return value;
    throw this.#wrong(name, "text", value);
  }

  #wrong(name: string, expected: string, found: unknown): FormatError {
    const shown = JSON.stringify(found).slice(0, 80);
    return new FormatError("bad-config", `${name}: expected ${expected}, found ${shown}`, {
      path: this.#path,
    });
  }
}
