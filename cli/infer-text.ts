import { oneLine } from "./error-text.ts";
import { formatCount } from "./progress.ts";

/** What a command `infer` says at its end. */
export function wroteText(
  result: { readonly path: string; readonly shapes: Readonly<Record<string, readonly number[]>> },
  rows: number,
  unit: string,
): string {
  const shapes = Object.entries(result.shapes).map(([name, shape]) => `${name} [${shape}]`);
  return `wrote ${oneLine(result.path)}: ${formatCount(rows)} ${unit}, ${shapes.join(", ")}`;
}
