import { braceExpand } from "../../webdataset/brace-expand.ts";

/**
 * File names of a range as BioNeMo 1.x writes them: `x[000..099]`, `x(a,b)`, `x_OP_0..3_CL_`.
 *
 * Brackets of any kind, and the words `_OP_` and `_CL_` for shells, stand for braces; `extension` is
 * added where a name lacks it.
 *
 * @throws InvalidArgumentError for brackets that do not match
 */
export function expandFileRange(range: string, extension = ""): string[] {
  const whole = range.endsWith(extension) ? range : range + extension;
  return braceExpand(whole.replace(/[([<]|_OP_/g, "{").replace(/[)\]>]|_CL_/g, "}"));
}
