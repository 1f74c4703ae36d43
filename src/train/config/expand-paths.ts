import { existsSync } from "node:fs";
import { expandFileRange } from "./file-range.ts";

const RANGE = /[[({<][^\])}>]*(?:\.\.|,)[^\])}>]*[\])}>]|_OP_.*_CL_/;
const SHARDS = /\.tar(?:\.gz|\.zst)?$/i;

/**
 * Paths of data with their ranges written out: `plate[00..11].h5ad`, `x{a,b}.fasta`. What is there under
 * the very name stays one path, and so do shards (`x-[0..9].tar`): they are read as one.
 * @throws InvalidArgumentError for brackets that do not match
 */
export function expandPaths(paths: string | readonly string[]): string[] {
  const given = typeof paths === "string" ? [paths] : paths;
  return given.flatMap((path) => {
    if (!RANGE.test(path) || existsSync(path)) return [path];
    if (SHARDS.test(path)) return [path.replace(/[[(<]|_OP_/g, "{").replace(/[\])>]|_CL_/g, "}")];
    return expandFileRange(path);
  });
}
