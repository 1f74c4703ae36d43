/** Operator schemas of libtorch as text: `mm(Tensor self, Tensor mat2) -> Tensor`. */
import { IncompatibleError } from "../../../formats/common/errors.ts";

export interface SchemaArgument {
  /** Without alias marks and lengths: `Tensor`, `Tensor?`, `int[]`, `float`, ... */
  readonly type: string;
  readonly name: string;
  /** As written, e.g. `None`; undefined where the argument must be given. */
  readonly standard: string | undefined;
}

export interface OperatorSchema {
  readonly name: string;
  readonly overload: string;
  readonly arguments: readonly SchemaArgument[];
  /** Types of what it returns, in order. */
  readonly returns: readonly string[];
}

const TEXT = /^([a-zA-Z_0-9]+)(?:\.([a-zA-Z_0-9]+))?\((.*)\) -> (.+)$/;
const ARGUMENT = /^(\S+) ([a-zA-Z_0-9]+)(?:=(.+))?$/;

/** @throws IncompatibleError for a text that is no schema */
export function parseSchema(text: string): OperatorSchema {
  const [, name, overload = "", given, returned = ""] = TEXT.exec(text) ?? [];
  if (name === undefined || given === undefined) throw notSchema(text);
  const list = given === "" ? [] : splitTop(given);
  return {
    name,
    overload,
    arguments: list.filter((part) => part !== "*").map((part) => parseArgument(part, text)),
    returns: splitTop(returned.replace(/^\((.*)\)$/, "$1"))
      .filter((part) => part !== "")
      .map((part) => plainType(part.split(" ")[0] ?? "")),
  };
}

function parseArgument(part: string, text: string): SchemaArgument {
  const [, type, name, standard] = ARGUMENT.exec(part) ?? [];
  if (type === undefined || name === undefined) throw notSchema(text);
  return { type: plainType(type), name, standard };
}

/** `Tensor(a!)[]` is `Tensor[]`, `bool[3]` is `bool[]`, `SymInt` is `int`. */
function plainType(type: string): string {
  return type
    .replace(/\([^)]*\)/, "")
    .replace(/\[\d+\]/, "[]")
    .replace("SymInt", "int");
}

/** Splits at commas that are in no brackets. */
function splitTop(text: string): string[] {
  const parts: string[] = [];
  let [depth, begin] = [0, 0];
  for (const [at, char] of [...text].entries()) {
    if (char === "(" || char === "[") depth++;
    if (char === ")" || char === "]") depth--;
    if (char !== "," || depth > 0) continue;
    parts.push(text.slice(begin, at).trim());
    begin = at + 1;
  }
  return [...parts, text.slice(begin).trim()];
}

function notSchema(text: string): IncompatibleError {
  return new IncompatibleError("operator-schema", `not the schema of an operator: ${text}`);
}
