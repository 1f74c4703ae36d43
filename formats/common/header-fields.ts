import { FormatError } from "./errors.ts";

export interface HeaderPlace {
  readonly path: string;
  /** What to do about a damaged header. */
  readonly suggestion: string;
}

/** Checked fields of an object in a JSON header. */
export class HeaderFields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #place: HeaderPlace;
  readonly #prefix: string;

  private constructor(value: unknown, place: HeaderPlace, prefix: string) {
    this.#place = place;
    this.#prefix = prefix;
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!isObject) this.fail("", "an object", value);
    this.#values = value as Record<string, unknown>; // a JSON object
  }

  /** @throws FormatError "bad-header" for what is no JSON object */
  static parse(text: string, place: HeaderPlace): HeaderFields {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      const { path, suggestion } = place;
      const suggestions = [suggestion];
      throw new FormatError("bad-header", "expected JSON", { path, cause, suggestions });
    }
    return new HeaderFields(value, place, "");
  }

  /** The names there are. */
  get names(): string[] {
    return Object.keys(this.#values);
  }

  value(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
  }

  fields(name: string): HeaderFields {
    return new HeaderFields(this.value(name), this.#place, `${this.#prefix}${name}.`);
  }

  count(name: string, max = 2 ** 50): number {
    const value = this.value(name);
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) {
      return value;
    }
    return this.fail(name, `a count of 0 to ${max}`, value);
  }

  fail(name: string, expected: string, found: unknown): never {
    const what = `${this.#prefix}${name}`.replace(/\.$/, "") || "the header";
    const { path, suggestion } = this.#place;
    throw new FormatError(
      "bad-header",
      `${what}: expected ${expected}, found ${JSON.stringify(found) ?? "nothing"}`,
      { path, suggestions: [suggestion] },
    );
  }
}
