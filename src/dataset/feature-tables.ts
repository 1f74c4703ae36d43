import * as arrow from "apache-arrow";
import { IncompatibleError, NotFoundError } from "../../formats/common/errors.ts";
import type { FeatureTables } from "./dataset-archive.ts";

/** One block, all columns or those named, in the order named. */
export async function selectColumns(
  tables: FeatureTables,
  block: number,
  columns?: readonly string[],
): Promise<arrow.Table> {
  if (columns === undefined) return tables.table(block);
  const { fields } = await tables.schema(block);
  const available = fields.map((field) => field.name);
  for (const column of columns) {
    if (!available.includes(column)) {
      throw new NotFoundError("no-such-column", `there is no column ${JSON.stringify(column)}`, {
        what: column,
        available,
      });
    }
  }
  const table = await tables.table(block, { columns });
  return table.select([...columns]);
}

/**
 * All blocks after one another.
 * @throws IncompatibleError when blocks have different columns or types.
 */
export async function concatTables(
  tables: FeatureTables,
  columns?: readonly string[],
): Promise<arrow.Table> {
  const [first, ...rest] = await Promise.all(
    Array.from({ length: tables.nBlocks }, (_, block) => selectColumns(tables, block, columns)),
  );
  if (first === undefined) return new arrow.Table();
  for (const [i, table] of rest.entries()) {
    const difference = schemaDifference(first.schema, table.schema);
    if (difference !== null) {
      throw new IncompatibleError(
        "different-columns",
        `block ${i + 1} differs from block 0: ${difference}`,
        { suggestions: ["name columns that every block has", "use obsColumn(name)"] },
      );
    }
  }
  return rest.length === 0 ? first : first.concat(...rest);
}

function schemaDifference(a: arrow.Schema, b: arrow.Schema): string | null {
  const describe = (schema: arrow.Schema) => schema.fields.map((f) => `${f.name}: ${f.type}`);
  const left = describe(a);
  const right = describe(b);
  const extra = right.find((field) => !left.includes(field));
  const missing = left.find((field) => !right.includes(field));
  if (extra !== undefined || missing !== undefined) {
    return `${missing ?? "nothing"} against ${extra ?? "nothing"}`;
  }
  return left.join() === right.join() ? null : "the order of its columns";
}
