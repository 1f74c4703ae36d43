/** Every row of the table of docs/format-and-divergences.md: both sides do what it says. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY_ROOT } from "../helpers/run-process.ts";
import { Trial } from "./divergence-trial.ts";
import { IN_CONVERSION } from "./divergences-in-conversion.ts";
import { IN_DATA_SETS } from "./divergences-in-data-sets.ts";
import type { Build } from "./ours-to-theirs.ts";
import type { Tally } from "./tally.ts";

const CHECKS = Object.entries({ ...IN_CONVERSION, ...IN_DATA_SETS }).sort(
  ([a], [b]) => Number.parseInt(a, 10) - Number.parseInt(b, 10),
);
const TABLE = join(REPOSITORY_ROOT, "docs/format-and-divergences.md");

/** That no row of the table is without its check, and no check without its row. */
export async function checkTable(tally: Tally): Promise<void> {
  await tally.check("every row of the table of divergences has a check", async () => {
    const text = readFileSync(TABLE, "utf8");
    const rows = Array.from(text.matchAll(/^\| (\d+) +\|/gm), ([, number]) => Number(number));
    const checked = CHECKS.map(([name]) => Number.parseInt(name, 10));
    return [
      ...rows.filter((row) => !checked.includes(row)).map((row) => `row ${row} is not checked`),
      ...checked
        .filter((row) => !rows.includes(row))
        .map((row) => `row ${row} is not in the table`),
    ];
  });
}

export async function checkDivergences(
  tally: Tally,
  build: Build,
  workspace: string,
): Promise<void> {
  for (const [name, check] of CHECKS) {
    await tally.check(`divergence ${name}: ${build.name} and ours`, async () => {
      const folder = join(workspace, name.split(" ")[0] as string);
      mkdirSync(folder, { recursive: true });
      const trial = new Trial(build, folder);
      await check(trial);
      return trial.found;
    });
  }
}
