/** Data sets of every release of the original, kept as fixtures: read by us and by the original. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { saveDataset } from "../../src/dataset/concat.ts";
import { REPOSITORY_ROOT } from "../helpers/run-process.ts";
import type { Build } from "./ours-to-theirs.ts";
import { rowDifferences } from "./reads.ts";
import type { Tally } from "./tally.ts";
import { readingDifferences } from "./theirs-to-ours.ts";

/** Data sets the original itself reads wrongly or not at all: divergences, checked as such. */
const DEFECTIVE = ["stale-header-cast", "stale-header-concat", "stale-parquet"];

/** Writes the archives of a bundle of fixtures/scdl below a folder; their names. */
export function unpackBundle(name: string, folder: string): string[] {
  const path = join(REPOSITORY_ROOT, `fixtures/scdl/${name}.json.gz`);
  const bundle = JSON.parse(gunzipSync(readFileSync(path)).toString("utf8")) as {
    readonly files: Readonly<Record<string, string>>;
  }; // see fixtures/generate/scdl_archives.py
  for (const [file, base64] of Object.entries(bundle.files)) {
    const target = join(folder, file);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, Buffer.from(base64, "base64"));
  }
  const names = Object.keys(bundle.files).map((file) => file.split("/")[0] as string);
  return [...new Set(names)];
}

/**
 * Every archive the build can open is read by it and by us; every archive whatsoever is saved anew
 * by us and then read by the build.
 */
export async function checkArchives(tally: Tally, build: Build, workspace: string): Promise<void> {
  const { name, original } = build;
  for (const bundle of ["legacy", "wheel", "head"]) {
    const folder = join(workspace, bundle);
    for (const archive of unpackBundle(bundle, folder)) {
      const theirs = join(folder, archive);
      const scratch = join(workspace, "dump");
      if (!DEFECTIVE.includes(archive) && !cannotOpen(name, bundle, archive)) {
        await tally.check(`${bundle} archive ${archive}: what ${name} reads`, async () => [
          ...(await readingDifferences(original, theirs, scratch)),
          // Without features the original has no rows to ask for.
          ...(archive === "empty" ? [] : await rowDifferences(original, theirs, false)),
        ]);
      }
      await tally.check(`${bundle} archive ${archive}: saved by us, read by ${name}`, async () => {
        const ours = join(folder, `${archive}-saved`);
        await saveDataset(theirs, ours);
        return readingDifferences(original, ours, scratch);
      });
    }
  }
}

/** The wheel wants labels.npy, which head does not write; head refuses pickles in it. */
function cannotOpen(build: Build["name"], bundle: string, archive: string): boolean {
  return build === "wheel" ? bundle === "head" : archive === "0.1.2-path-label";
}
