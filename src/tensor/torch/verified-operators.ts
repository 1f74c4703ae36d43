import { join } from "node:path";
import { IncompatibleError } from "../../../formats/common/errors.ts";
import { readElfSection } from "../../../formats/elf/sections.ts";
import { OPERATORS, type OperatorName } from "./operators.ts";
import { type OperatorSchema, parseSchema, type SchemaArgument } from "./schema.ts";

export type VerifiedOperators = Readonly<Record<OperatorName, OperatorSchema>>;

/** How a default is given where the schema has an argument more than was asked for. */
const ENCODABLE = /^(None|True|False|-?\d+(\.\d+)?(e-?\d+)?|\[\]|'[a-z_]*')$/;

/**
 * The schemas that the library itself has. It registers its operators from texts in its read-only
 * data, so they can be read without calling anything: a call with other arguments than those of the
 * library would end the process.
 *
 * A schema may have grown by arguments with a default; any other difference is an error.
 *
 * @throws IncompatibleError that names the operator, what is expected and what was found
 */
export function verifyOperators(directory: string, version: string): VerifiedOperators {
  const path = join(directory, "libtorch_cpu.so");
  const section = readElfSection(path, ".rodata");
  const texts = Buffer.from(section.buffer, section.byteOffset, section.byteLength);
  const entries = Object.entries(OPERATORS).map(([name, text]) => {
    if (texts.includes(`${text}\0`, 0, "latin1")) return [name, parseSchema(text)] as const;
    return [name, compatibleSchema(text, texts, version)] as const;
  });
  return Object.fromEntries(entries) as VerifiedOperators; // proof: one entry for each name
}

/** The schema in `texts` that can be called with the arguments of `text`. */
export function compatibleSchema(text: string, texts: Buffer, version: string): OperatorSchema {
  const wanted = parseSchema(text);
  const candidates = schemasNamed(text.slice(0, text.indexOf("(") + 1), texts);
  for (const candidate of candidates) {
    const found = parseSchema(candidate);
    if (serves(found, wanted)) return found;
  }
  const found = candidates.length === 0 ? "no such operator" : candidates.join(" or ");
  throw new IncompatibleError(
    "operator-schema",
    `libtorch ${version}: expected the operator ${text}, found ${found}`,
    { suggestions: ["use another version of PyTorch, 2.10 or newer", "use --device cpu"] },
  );
}

function schemasNamed(start: string, texts: Buffer): string[] {
  const found: string[] = [];
  for (let at = texts.indexOf(`\0${start}`, 0, "latin1"); at >= 0; ) {
    const end = texts.indexOf(0, at + 1);
    const text = texts.toString("latin1", at + 1, end < 0 ? texts.length : end);
    if (text.includes(") -> ")) found.push(text);
    at = texts.indexOf(`\0${start}`, at + 1, "latin1");
  }
  return found;
}

function serves(found: OperatorSchema, wanted: OperatorSchema): boolean {
  if (found.returns.join() !== wanted.returns.join()) return false;
  if (found.arguments.length < wanted.arguments.length) return false;
  return found.arguments.every((argument, at) => {
    const asked = wanted.arguments[at];
    if (asked !== undefined) return sameArgument(argument, asked);
    return argument.standard !== undefined && ENCODABLE.test(argument.standard);
  });
}

function sameArgument(a: SchemaArgument, b: SchemaArgument): boolean {
  return a.type === b.type && a.name === b.name;
}
