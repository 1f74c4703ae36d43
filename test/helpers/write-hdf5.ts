import h5wasm, { type Group } from "h5wasm/node";

/** What to write; `attributes` belong to the group or dataset. */
export type Hdf5Tree =
  | {
      readonly members: Readonly<Record<string, Hdf5Tree>>;
      readonly attributes?: Attributes;
    }
  | {
      readonly data: NumberData | readonly string[];
      readonly shape?: readonly number[];
      readonly attributes?: Attributes;
    };
type NumberData = Float32Array | Float64Array | Int8Array | Int32Array | Uint8Array | BigInt64Array;
type Attributes = Readonly<Record<string, string | number | BigInt64Array | readonly string[]>>;

/** Writes an HDF5 file with the library itself, so that tests can make any structure. */
export async function writeHdf5(path: string, root: Hdf5Tree): Promise<void> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, "w");
  try {
    write(file, root);
  } finally {
    file.close();
  }
}

function write(group: Group, tree: Hdf5Tree): void {
  if (!("members" in tree)) throw new TypeError("the root is a group");
  setAttributes(group, tree.attributes);
  for (const [name, member] of Object.entries(tree.members)) {
    if ("members" in member) {
      write(group.create_group(name), member);
      continue;
    }
    const shape = [...(member.shape ?? [member.data.length])];
    const data = ArrayBuffer.isView(member.data) ? member.data : [...member.data];
    const dataset = group.create_dataset(
      ArrayBuffer.isView(data) ? { name, data, shape } : { name, data, shape, dtype: "S" },
    );
    setAttributes(dataset, member.attributes);
  }
}

function setAttributes(
  target: Pick<Group, "create_attribute">,
  attributes: Attributes | undefined,
): void {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (Array.isArray(value) && value.length === 0) {
      target.create_attribute(name, new Float64Array(0), [0]);
    } else if (Array.isArray(value)) {
      target.create_attribute(name, [...value], [value.length], "S");
    } else if (typeof value === "string") {
      target.create_attribute(name, value, [], "S");
    } else if (typeof value === "number") {
      target.create_attribute(name, value, []);
    } else if (value instanceof BigInt64Array) {
      target.create_attribute(name, value, [value.length]);
    }
  }
}

/** A valid AnnData tree of 2 cells x 3 genes with a csr X; `changes` replaces members by path. */
export function annDataTree(changes: Readonly<Record<string, Hdf5Tree | null>> = {}): Hdf5Tree {
  const tree: Hdf5Tree = {
    attributes: { "encoding-type": "anndata", "encoding-version": "0.1.0" },
    members: {
      X: {
        attributes: {
          "encoding-type": "csr_matrix",
          "encoding-version": "0.1.0",
          shape: BigInt64Array.of(2n, 3n),
        },
        members: {
          data: { data: Float32Array.of(1, 2, 3) },
          indices: { data: Int32Array.of(0, 2, 1) },
          indptr: { data: Int32Array.of(0, 2, 3) },
        },
      },
      obs: frameTree(["c0", "c1"]),
      var: frameTree(["g0", "g1", "g2"]),
    },
  };
  return Object.entries(changes).reduce<Hdf5Tree>((result, [path, member]) => {
    return replace(result, path.split("/"), member);
  }, tree);
}

export function frameTree(
  index: readonly string[],
  columns: Readonly<Record<string, Hdf5Tree>> = {},
  order: readonly string[] = Object.keys(columns),
): Hdf5Tree {
  return {
    attributes: {
      _index: "_index",
      "column-order": order,
      "encoding-type": "dataframe",
      "encoding-version": "0.2.0",
    },
    members: { _index: { data: index }, ...columns },
  };
}

function replace(tree: Hdf5Tree, path: readonly string[], member: Hdf5Tree | null): Hdf5Tree {
  const [name = "", ...rest] = path;
  if (!("members" in tree)) throw new TypeError(`no group at ${name}`);
  const members = { ...tree.members };
  const old = members[name];
  if (rest.length > 0 && old !== undefined) members[name] = replace(old, rest, member);
  else if (member === null) delete members[name];
  else members[name] = member;
  return { ...tree, members };
}
