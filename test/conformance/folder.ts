/** Several files as one data set, and every element type: what single conversions do not show. */
import { join } from "node:path";
import { SCDL_DTYPES } from "../../formats/common/dtype.ts";
import { REPOSITORY_ROOT } from "../helpers/run-process.ts";
import { asStrings } from "./original.ts";
import { type Build, convertOurs, fileDifferences } from "./ours-to-theirs.ts";
import type { Tally } from "./tally.ts";
import { readingDifferences } from "./theirs-to-ours.ts";

/** a and b share their genes, c has others: two var blocks, one obs block. */
const FOLDER = join(REPOSITORY_ROOT, "fixtures/scdl");
const DEMO = join(REPOSITORY_ROOT, "fixtures/h5ad/demo.h5ad");

export async function checkFolder(tally: Tally, build: Build, workspace: string): Promise<void> {
  const { name, original } = build;
  const theirs = join(workspace, "theirs");
  const ours = join(workspace, "ours");
  await tally.check(`fixtures/scdl as one data set: the bytes that ${name} writes`, async () => {
    await original.ask("convert_folder", { folder: FOLDER, matrix: "raw", output: theirs });
    // The original's own flags, as existing scripts spell them.
    await convertOurs(null, null, ["--data-path", FOLDER, "--save-path", ours, "--drop-index"]);
    const features = asStrings(await original.ask("feature_differences", { ours, theirs }));
    // It writes the first file's rows there (documented divergence).
    const files = fileDifferences(ours, theirs, name).filter(
      (line) => !/^metadata.json:/.test(line),
    );
    return [...files, ...features];
  });
  await tally.check(`fixtures/scdl as one data set: what ${name} wrote, read by us`, () =>
    readingDifferences(original, theirs, join(workspace, "dump")),
  );
}

/** Files past the original's cutoff take another path through it; ours has one path. */
export async function checkPaginated(tally: Tally, build: Build, workspace: string): Promise<void> {
  const { name, original } = build;
  const theirs = join(workspace, "theirs");
  const ours = join(workspace, "ours");
  await tally.check(`demo.h5ad read in blocks of rows: the bytes that ${name} writes`, async () => {
    await original.ask("convert", { h5ad: DEMO, matrix: "X", output: theirs, paginated: true });
    await convertOurs(null, null, [
      ...["--data-path", DEMO, "--save-path", ours, "--drop-index", "--use-X-not-raw"],
      ...["--paginated-load-cutoff", "0", "--load-block-row-size", "7", "--num-workers", "2"],
    ]);
    const features = asStrings(await original.ask("feature_differences", { ours, theirs }));
    return [...fileDifferences(ours, theirs, name), ...features];
  });
}

export async function checkDTypes(tally: Tally, build: Build, workspace: string): Promise<void> {
  const { name, original } = build;
  for (const dtype of SCDL_DTYPES) {
    const theirs = join(workspace, dtype, "theirs");
    const ours = join(workspace, dtype, "ours");
    await tally.check(
      `demo.h5ad as ${dtype}: the bytes that ${name} writes, read by us`,
      async () => {
        await original.ask("convert", { h5ad: DEMO, matrix: "raw", output: theirs, dtype });
        await convertOurs(DEMO, ours, ["--data-dtype", dtype, "--drop-index"]);
        return [
          ...fileDifferences(ours, theirs, name),
          ...(await readingDifferences(original, theirs, join(workspace, dtype, "dump"))),
        ];
      },
    );
  }
}
