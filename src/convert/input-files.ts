import fs from "node:fs";
import path from "node:path";
import {
  fromFsError,
  InvalidArgumentError,
  NotFoundError,
  UnsupportedFeatureError,
} from "../../formats/common/errors.ts";
import { isZarr, ZARR_SUGGESTION } from "../../formats/scdl/not-an-archive.ts";

/**
 * The files to convert, in the order of the result.
 *
 * A file stays where it was named; a folder becomes its `*.h5ad` files at any depth, sorted by
 * path as Python sorts `Path` objects (part by part, by code point). A path is written the way
 * `pathlib` writes it, because it becomes the label of a block.
 *
 * @throws NotFoundError for a missing path or a folder without h5ad files
 */
export function expandInputs(inputs: readonly string[]): string[] {
  if (inputs.length === 0) {
    throw new InvalidArgumentError("inputs", inputs, "expected at least one file or folder");
  }
  return inputs.flatMap((input) => {
    if (input === "") throw new InvalidArgumentError("inputs", input, "an input has no name");
    let isFolder: boolean;
    try {
      isFolder = fs.statSync(input).isDirectory();
    } catch (error) {
      throw fromFsError(error, input);
    }
    if (!isFolder) return [input];
    const files = h5adFilesUnder(posixPath(input)).sort(comparePaths);
    if (files.length > 0) return files;
    throw new NotFoundError("no-such-file", `${input}: no *.h5ad file in this folder`, {
      what: "*.h5ad",
      suggestions: [
        isZarr(fs.readdirSync(input))
          ? ZARR_SUGGESTION
          : "name the files themselves; any extension is read then",
      ],
    });
  });
}

/** The paths that lead to a file already named before them, links followed. */
export function repeatedInputs(paths: readonly string[]): string[] {
  const seen = new Set<string>();
  return paths.filter((input) => {
    let real = input;
    try {
      real = fs.realpathSync.native(input);
    } catch {
      // Opening it will say what is wrong.
    }
    const isRepeated = seen.has(real);
    seen.add(real);
    return isRepeated;
  });
}

function h5adFilesUnder(folder: string): string[] {
  let entries: fs.Dirent<Buffer>[];
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true, encoding: "buffer" });
  } catch (error) {
    throw fromFsError(error, folder);
  }
  return entries.flatMap((entry) => {
    const name = entry.name.toString("utf8");
    const isH5ad = name.endsWith(".h5ad");
    if ((entry.isDirectory() || isH5ad) && !Buffer.from(name, "utf8").equals(entry.name)) {
      const shown = entry.name.toString("latin1");
      throw new UnsupportedFeatureError(
        "file-name",
        `${folder}: the name "${shown}" (read as latin-1) is not UTF-8`,
        { suggestions: ["rename it"] },
      );
    }
    const full = folder === "." ? name : path.posix.join(folder, name);
    if (entry.isDirectory()) return h5adFilesUnder(full);
    // Links too, as `rglob` lists them: one that leads nowhere fails by name when it is opened.
    return isH5ad ? [full] : [];
  });
}

/** As `str(pathlib.Path(text))`: no double slashes, no `.` parts, `..` kept. */
export function posixPath(text: string): string {
  const parts = text.split("/").filter((part) => part !== "" && part !== ".");
  const root = text.startsWith("//") && !text.startsWith("///") ? "//" : "/";
  if (text.startsWith("/")) return root + parts.join("/");
  return parts.length === 0 ? "." : parts.join("/");
}

/** Order of `pathlib` paths: part by part, each by code point. */
export function comparePaths(a: string, b: string): number {
  const left = a.split("/");
  const right = b.split("/");
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = compareCodePoints(left[i] ?? "", right[i] ?? "");
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** JavaScript compares UTF-16 units, which puts U+FF5E behind emoji; Python compares code points. */
function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"));
}
