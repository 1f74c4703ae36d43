import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { onTestFinished } from "vitest";

export interface ExpectedArchive {
  readonly nObs: number;
  readonly nnz: number;
  readonly dtypes: Readonly<Record<string, string>>;
  readonly rows: readonly (readonly [values: number[], columns: number[]])[];
  readonly cumulative: readonly number[];
  readonly labels: readonly (string | null)[];
  readonly columnDims: readonly number[];
}

export interface Bundle {
  /** What the original reads from each archive. */
  readonly expected: Readonly<Record<string, ExpectedArchive>>;
  /** Paths below the bundle to base64. */
  readonly files: Readonly<Record<string, string>>;
}

/** Archives written by bionemo-scdl, see fixtures/generate/scdl_archives.py. */
export function loadBundle(name: string): Bundle {
  const path = new URL(`../../fixtures/scdl/${name}.json.gz`, import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(path)).toString("utf8"));
}

/** A directory that is removed when the test ends. */
export function temporaryDirectory(): string {
  // Memory where there is some: flushing small files to a busy disk takes most of the time.
  const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const directory = mkdtempSync(join(parent, "scdl-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Writes one archive of a bundle into a fresh directory and returns its path. */
export function unpack(bundle: Bundle, archive: string): string {
  const root = temporaryDirectory();
  for (const [path, base64] of Object.entries(bundle.files)) {
    if (!path.startsWith(`${archive}/`)) continue;
    const target = join(root, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, Buffer.from(base64, "base64"));
  }
  return join(root, archive);
}
