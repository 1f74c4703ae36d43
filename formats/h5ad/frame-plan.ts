import type { Hdf5Type, Hdf5Values } from "../hdf5/protocol.ts";
import {
  attribute,
  type DatasetNode,
  type GroupNode,
  join,
  type Source,
  textAttribute,
  textListAttribute,
} from "./source.ts";

interface ColumnBase {
  readonly name: string;
  /** Dataset that holds the values or codes. */
  readonly path: string;
  /** Member of a compound dataset, null when the dataset is the column. */
  readonly field: string | null;
  /** Why this column cannot be read; null when it can. */
  readonly unsupported: string | null;
}

/** Where one column of a data frame comes from, whichever anndata version wrote it. */
export type ColumnPlan =
  | (ColumnBase & { readonly kind: "plain"; readonly type: Hdf5Type })
  | (ColumnBase & { readonly kind: "masked"; readonly type: Hdf5Type; readonly maskPath: string })
  | (ColumnBase & {
      readonly kind: "categorical";
      readonly categoryType: Hdf5Type;
      readonly ordered: boolean;
      readonly categories: () => Promise<Hdf5Values>;
    });

export interface FramePlan {
  readonly nRows: number;
  readonly index: ColumnPlan;
  readonly columns: readonly ColumnPlan[];
  /** Members of uns that turned out to be categories of these columns (anndata below 0.7). */
  readonly categoryKeys?: readonly string[];
}

const NO_TYPE: Hdf5Type = { kind: "other", description: "an element that is not a column" };

/** Reads the structure of a data frame; values are read later. */
export async function planFrame(
  source: Source,
  node: GroupNode | DatasetNode,
  uns: GroupNode | null,
): Promise<FramePlan> {
  return node.kind === "group" ? planGroup(source, node) : planCompound(source, node, uns);
}

/** Encodings 0.1.0 (anndata 0.7) and 0.2.0: a group with one member per column. */
async function planGroup(source: Source, group: GroupNode): Promise<FramePlan> {
  const indexName = textAttribute(group, "_index") ?? legacyIndexName(group);
  if (indexName === undefined || !group.keys.includes(indexName)) {
    throw source.error("missing-member", `${group.path} has no index column`);
  }
  const order =
    textListAttribute(group, "column-order") ??
    group.keys.filter((key) => key !== indexName && key !== "__categories");
  const twice = order.find((name, at) => order.indexOf(name) !== at);
  if (twice !== undefined) {
    throw source.error(
      "duplicate-column",
      `column-order of ${group.path} names column ${JSON.stringify(twice)} twice`,
      [`write ${group.path} again with anndata, each column once`],
    );
  }
  const index = await planColumn(source, group, indexName);
  const nRows = await lengthOf(source, index);
  const columns: ColumnPlan[] = [];
  for (const name of order) {
    const column = await planColumn(source, group, name);
    if (column.unsupported === null) {
      const length = await lengthOf(source, column);
      if (length !== nRows) {
        throw source.error(
          "wrong-shape",
          `column ${name} of ${group.path} has ${length} rows, the index has ${nRows}`,
        );
      }
    }
    columns.push(column);
  }
  return { nRows, index, columns };
}

function legacyIndexName(group: GroupNode): string | undefined {
  return ["_index", "index"].find((name) => group.keys.includes(name));
}

async function lengthOf(source: Source, column: ColumnPlan): Promise<number> {
  const { length } = await source.vector(column.path);
  if (column.kind === "masked") {
    const mask = await source.vector(column.maskPath);
    if (mask.length !== length) {
      throw source.error("wrong-shape", `${column.maskPath} has ${mask.length} of ${length} rows`);
    }
  }
  return length;
}

async function planColumn(source: Source, group: GroupNode, name: string): Promise<ColumnPlan> {
  const path = join(group.path, name);
  const node = await source.get(path);
  const base = { name, path, field: null, unsupported: null };
  if (node.kind === "dataset") return planDatasetColumn(source, group, node, name);
  const encoding = textAttribute(node, "encoding-type") ?? guessEncoding(node);
  switch (encoding) {
    case "categorical": {
      const codes = join(path, "codes");
      const categories = join(path, "categories");
      return {
        ...base,
        ...(await planCategories(source, categories)),
        path: codes,
        kind: "categorical",
        ordered: isTrue(attribute(node, "ordered")),
      };
    }
    case "nullable-integer":
    case "nullable-boolean":
    case "nullable-string-array": {
      const values = await source.vector(join(path, "values"));
      return {
        ...base,
        path: values.path,
        kind: "masked",
        type: values.dataset.type,
        maskPath: join(path, "mask"),
      };
    }
    default:
      return {
        ...base,
        kind: "plain",
        type: NO_TYPE,
        unsupported: `encoding ${encoding ?? "unknown"} is not a column`,
      };
  }
}

function guessEncoding(group: GroupNode): string | undefined {
  if (group.keys.includes("codes") && group.keys.includes("categories")) return "categorical";
  if (group.keys.includes("values") && group.keys.includes("mask")) return "nullable-integer";
  return undefined;
}

async function planDatasetColumn(
  source: Source,
  group: GroupNode,
  node: DatasetNode,
  name: string,
): Promise<ColumnPlan> {
  const base = { name, path: node.path, field: null, unsupported: null };
  const { type, shape } = node.dataset;
  if (shape === null || shape.length !== 1) {
    return { ...base, kind: "plain", type: NO_TYPE, unsupported: "not a one-dimensional column" };
  }
  // anndata 0.7: codes point to their categories by object reference or by path.
  const pointer = attribute(node, "categories");
  const target =
    typeof pointer === "string"
      ? join(group.path, pointer)
      : pointer !== null && typeof pointer === "object" && "target" in pointer
        ? pointer.target
        : undefined;
  if (target !== undefined) {
    const categories = await source.vector(target.startsWith("/") ? target : `/${target}`);
    return {
      ...base,
      ...(await planCategories(source, categories.path)),
      kind: "categorical",
      ordered: isTrue(attribute(categories, "ordered")),
    };
  }
  return { ...base, kind: "plain", type };
}

async function planCategories(
  source: Source,
  path: string,
): Promise<{ categoryType: Hdf5Type; categories: () => Promise<Hdf5Values> }> {
  const node = await source.get(path);
  // Categories may be a nullable array themselves; pandas has no missing category.
  const values = node.kind === "group" ? join(path, "values") : path;
  const { dataset, length } = await source.vector(values);
  return {
    categoryType: dataset.type,
    categories: () => source.hdf5.read(values, [0], [length]),
  };
}

function isTrue(value: unknown): boolean {
  return value === true || value === 1 || value === 1n;
}

/** anndata below 0.7: one compound dataset whose first member is the index. */
async function planCompound(
  source: Source,
  node: DatasetNode,
  uns: GroupNode | null,
): Promise<FramePlan> {
  const { type } = node.dataset;
  if (type.kind !== "compound" || type.members.length === 0) {
    throw source.error("wrong-type", `${node.path} is a dataset, expected a data frame`);
  }
  const { length: nRows } = await source.vector(node.path);
  const columns: ColumnPlan[] = [];
  const categoryKeys: string[] = [];
  for (const [at, member] of type.members.entries()) {
    const base = { name: member.name, path: node.path, field: member.name, unsupported: null };
    const categories =
      at > 0 && uns !== null ? await legacyCategories(source, node, uns, member.name, nRows) : null;
    if (categories !== null) categoryKeys.push(`${member.name}_categories`);
    columns.push(
      categories === null
        ? { ...base, kind: "plain", type: member.type }
        : { ...base, ...categories, kind: "categorical", ordered: false },
    );
  }
  const index = columns.shift();
  if (index === undefined) throw source.error("wrong-type", `${node.path} has no index`);
  return { nRows, index, columns, categoryKeys };
}

/**
 * Categories that anndata below 0.7 kept as uns/NAME_categories. They belong to the column only
 * when all its codes are below their number: obs and var columns of one name share the entry.
 */
async function legacyCategories(
  source: Source,
  frame: DatasetNode,
  uns: GroupNode,
  name: string,
  nRows: number,
): Promise<{ categoryType: Hdf5Type; categories: () => Promise<Hdf5Values> } | null> {
  const key = `${name}_categories`;
  if (!uns.keys.includes(key)) return null;
  const node = await source.dataset(join(uns.path, key));
  const { shape } = node.dataset;
  if (shape === null || shape.length > 1) return null;
  const count = shape[0] ?? 1;
  const codes = await source.hdf5.read(frame.path, [0], [nRows], [name]);
  const field = codes.kind === "compound" ? codes.fields[0]?.values : undefined;
  if (field === undefined || field.kind !== "number") return null;
  for (const code of field.values) if (Number(code) >= count) return null;
  const begin = shape.map(() => 0);
  return {
    categoryType: node.dataset.type,
    categories: () => source.hdf5.read(node.path, begin, shape),
  };
}
