import {
  type Element,
  ElementReader,
  fieldsOf,
  type NumberTensor,
  type TextTensor,
} from "./element.ts";
import { join, type Source } from "./source.ts";

/** An entry of obsm or varm: one row per cell or gene. */
export interface AxisEntry {
  /** Inside the file, without the leading slash. */
  readonly path: string;
  /** Null for data frames and sparse matrices: {@link read} and look. */
  readonly shape: readonly number[] | null;
  /** Numbers come whole; a MatrixReader or FrameReader stays lazy. */
  read(): Promise<Element>;
}

/** obsm or varm: a group of arrays, or before anndata 0.7 one compound dataset. */
export async function openAxisArrays(
  source: Source,
  path: string,
  rows: number,
): Promise<Map<string, AxisEntry>> {
  const entries = new Map<string, AxisEntry>();
  const node = await source.find(path);
  if (node === null) return entries;
  if (node.kind === "group") {
    for (const name of node.keys) {
      const member = await source.get(join(path, name));
      const shape = member.kind === "dataset" ? member.dataset.shape : null;
      if (shape !== null) checkRows(source, member.path, shape[0], rows);
      entries.set(name, {
        path: member.path.slice(1),
        shape,
        read: () => new ElementReader(source).read(member.path),
      });
    }
    return entries;
  }
  const { type, shape } = node.dataset;
  if (shape === null || shape.length === 0) return entries;
  if (type.kind !== "compound") {
    throw source.error("wrong-type", `${path} is a dataset, expected a group of arrays`);
  }
  source.checkPlausible(path, node.dataset);
  checkRows(source, path, shape[0], rows);
  for (const { name, type: member } of type.members) {
    entries.set(name, {
      path: `${path.slice(1)}/${name}`,
      shape: [...shape, ...(member.kind === "array" ? member.dims : [])],
      read: async (): Promise<NumberTensor | TextTensor> => {
        const begin = shape.map(() => 0);
        const values = await source.hdf5.read(path, begin, shape, [name]);
        const fields =
          values.kind === "compound" ? fieldsOf(source, values, type.members, shape) : null;
        const field = fields?.get(name);
        if (field === undefined) throw source.error("wrong-type", `${path} has no member ${name}`);
        return field;
      },
    });
  }
  return entries;
}

function checkRows(source: Source, path: string, found: number | undefined, rows: number): void {
  if (found === rows) return;
  throw source.error("wrong-shape", `${path} has ${found ?? "no"} rows, expected ${rows}`);
}
