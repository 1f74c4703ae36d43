import { existsSync } from "node:fs";
import { join } from "node:path";
import { NotFoundError } from "../../../formats/common/errors.ts";

/** `train` in a folder as BioNeMo's preprocessing leaves it. @throws NotFoundError with the other way */
export function trainIn(dataDir: string): string {
  const path = join(dataDir, "train");
  if (existsSync(path)) return path;
  throw new NotFoundError("no-such-file", `${path}: no such file or directory`, {
    what: path,
    suggestions: [
      "--data-dir takes a folder with the SCDL data sets train and val",
      `name data sets and files of another name with --data: --data ${dataDir}`,
    ],
  });
}
