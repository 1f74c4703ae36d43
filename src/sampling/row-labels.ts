/** One label a row, e.g. an obs column of a data set or an array; null or undefined is missing. */
export interface RowLabels {
  readonly length: number;
  at(row: number): string | number | bigint | boolean | null | undefined;
}

/**
 * Rows of each label, ascending; labels in the order of their text, whichever row comes first. Rows
 * without a label are in none.
 */
export function rowsByLabel(labels: RowLabels): Map<string, Uint32Array> {
  const counts = new Map<string, number>();
  for (let row = 0; row < labels.length; row++) {
    const label = labels.at(row);
    if (label !== null && label !== undefined) {
      counts.set(String(label), (counts.get(String(label)) ?? 0) + 1);
    }
  }
  const rows = new Map<string, Uint32Array>();
  for (const label of [...counts.keys()].sort((a, b) => (a < b ? -1 : 1))) {
    rows.set(label, new Uint32Array(counts.get(label) ?? 0));
  }
  const filled = new Map<string, number>();
  for (let row = 0; row < labels.length; row++) {
    const label = labels.at(row);
    if (label === null || label === undefined) continue;
    const at = filled.get(String(label)) ?? 0;
    const list = rows.get(String(label));
    if (list !== undefined) list[at] = row;
    filled.set(String(label), at + 1);
  }
  return rows;
}
