/** `${a.b}`, `${oc.env:NAME}` and `${oc.env:NAME,default}` in the texts of a configuration. */
import { InvalidArgumentError } from "../../../formats/common/errors.ts";

const REFERENCE = /\$\{([^${}]*)\}/g;
const DEEPEST = 20;

export interface InterpolateOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The value of a dotted key as it is written; undefined when there is none. */
  readonly lookUp: (key: string) => unknown;
}

/**
 * A value with its references replaced. A text that is one reference takes the value's type.
 * @throws InvalidArgumentError for what is not there, for circles and for other resolvers
 */
export function interpolate(key: string, value: unknown, options: InterpolateOptions): unknown {
  return replaced(key, value, options, 0);
}

function replaced(
  key: string,
  value: unknown,
  options: InterpolateOptions,
  depth: number,
): unknown {
  if (Array.isArray(value)) return value.map((item) => replaced(key, item, options, depth));
  if (typeof value !== "string" || !value.includes("${")) return value;
  if (depth > DEEPEST) throw wrong(key, value, "the references lead in a circle");
  const whole = /^\$\{([^${}]*)\}$/.exec(value)?.[1];
  if (whole !== undefined) {
    return replaced(key, referenced(key, whole, options), options, depth + 1);
  }
  const text = value.replace(REFERENCE, (_all, inside: string) => {
    return String(replaced(key, referenced(key, inside, options), options, depth + 1));
  });
  if (text.includes("${")) throw wrong(key, value, "a reference is not closed");
  return text;
}

function referenced(key: string, inside: string, { env, lookUp }: InterpolateOptions): unknown {
  const variable = /^oc\.env:\s*([^,]*?)\s*(?:,(.*))?$/.exec(inside);
  if (variable !== null) {
    const [, name = "", otherwise] = variable;
    const value = env[name] ?? otherwise?.trim();
    if (value !== undefined) return value;
    throw wrong(key, inside, `the environment has no ${name}`, `write \${oc.env:${name},default}`);
  }
  if (inside.includes(":")) {
    throw wrong(
      key,
      inside,
      `\${${inside}} is not known`,
      `use \${oc.env:NAME,default} or \${a.b}`,
    );
  }
  const value = lookUp(inside.trim());
  if (value === undefined) throw wrong(key, inside, `there is no ${inside.trim()}`);
  return value;
}

function wrong(key: string, value: string, message: string, suggestion?: string) {
  const suggestions = suggestion === undefined ? [] : [suggestion];
  return new InvalidArgumentError(key, value, `${key}: ${message}`, { suggestions });
}
