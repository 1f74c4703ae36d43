import { NotFoundError } from "../common/errors.ts";
import type { Table } from "./table.ts";

/** Where the columns stand in the table. @throws NotFoundError "no-such-column" */
export function positionsOf(
  { path, columns: available }: Pick<Table, "path" | "columns">,
  names: readonly string[],
): number[] {
  return names.map((name) => {
    const at = available.indexOf(name);
    if (at >= 0) return at;
    const message = `${path}: no column ${JSON.stringify(name)}`;
    throw new NotFoundError("no-such-column", message, { what: name, available });
  });
}
