/** Tables of the fixture's proteins with labels that can be computed from the residues. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProteinDatabase } from "../../../../src/proteins/protein-database.ts";
import { REPOSITORY_ROOT } from "../../../helpers/run-process.ts";

const GROUPS = { h: "AILMFVWYC", p: "GPSTNQHBZX", c: "DEKRUO" } as const;
type Group = keyof typeof GROUPS;

/** Hydrophobic, polar or charged. */
function groupOf(residue: string): Group {
  if (GROUPS.h.includes(residue)) return "h";
  return GROUPS.c.includes(residue) ? "c" : "p";
}

/** `share` the share of hydrophobic residues, `kind` the most common group, `groups` that of each. */
function row(sequence: string): string {
  const groups = [...sequence].map(groupOf);
  const count = (group: Group) => groups.filter((found) => found === group).length;
  const kind = (["h", "p", "c"] as const).reduce((a, b) => (count(b) > count(a) ? b : a));
  return [sequence, count("h") / groups.length, kind, groups.join("")].join();
}

/** Writes `train.csv` (3 of 4 proteins) and `valid.csv`. */
export function labelledProteins(folder: string): {
  readonly train: string;
  readonly valid: string;
} {
  using database = ProteinDatabase.open(join(REPOSITORY_ROOT, "fixtures/proteins/database.db"));
  const rows = Array.from({ length: database.length }, (_, at) =>
    row(database.get(database.id(at))),
  );
  const [train, valid] = [join(folder, "train.csv"), join(folder, "valid.csv")];
  const write = (path: string, isChosen: (at: number) => boolean) => {
    const lines = ["sequences,share,kind,groups", ...rows.filter((_, at) => isChosen(at))];
    writeFileSync(path, `${lines.join("\n")}\n`);
  };
  write(train, (at) => at % 4 !== 3);
  write(valid, (at) => at % 4 === 3);
  return { train, valid };
}
