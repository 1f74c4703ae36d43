import { expect, onTestFinished, test } from "vitest";
import {
  FormatError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../formats/common/errors.ts";
import { type AlignGenesOptions, alignGenes } from "../../../src/data/gene-alignment.ts";
import { Loader } from "../../../src/data/loader.ts";
import { DatasetCollection } from "../../../src/dataset/dataset-collection.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import {
  SMALL_VARS,
  smallRow,
  stridedSampler,
  writeSmallDataset,
} from "../../helpers/small-dataset.ts";

const names = (prefix: string) => Array.from({ length: SMALL_VARS }, (_, i) => `${prefix}${i}`);
/** Genes 0 to 39, and the same from 20 on in reverse order with 20 others. */
const GENES_A = names("g");
const GENES_B = [...GENES_A.slice(20).reverse(), ...names("h").slice(0, 20)];

async function openPair(
  genesA: readonly string[] = GENES_A,
  genesB: readonly string[] = GENES_B,
): Promise<DatasetCollection> {
  const root = temporaryDirectory();
  const collection = await DatasetCollection.open([
    await writeSmallDataset(`${root}/a.scdl`, { rows: 10, genes: genesA }),
    await writeSmallDataset(`${root}/b.scdl`, { rows: 13, genes: genesB }),
  ]);
  onTestFinished(() => collection.close());
  return collection;
}

/** What a row of the pair holds, by gene id. */
function expectedRow(row: number, genesA = GENES_A, genesB = GENES_B): [string, number][] {
  const ids = row < 10 ? genesA : genesB;
  const { data, indices } = smallRow(row < 10 ? row : row - 10);
  return indices.map((column, k) => [ids[column] as string, data[k] as number]);
}

async function alignedRows(
  collection: DatasetCollection,
  options: AlignGenesOptions,
): Promise<{ genes: readonly string[]; rows: [string, number][][] }> {
  const { dataset, genes } = await alignGenes(collection, options);
  const buffers = dataset.createBuffers();
  const all = Array.from({ length: 23 }, (_, row) => row);
  const { nnz } = dataset.gather(all, buffers);
  expect(buffers.indptr[23]).toBe(nnz);
  const rows = all.map((row) => {
    const found: [string, number][] = [];
    for (let k = buffers.indptr[row] as number; k < (buffers.indptr[row + 1] as number); k++) {
      found.push([genes[buffers.indices[k] as number] as string, Number(buffers.data[k])]);
    }
    return found;
  });
  return { genes, rows };
}

test("inner keeps the genes of all, in the order of the first", async () => {
  const { genes, rows } = await alignedRows(await openPair(), { genes: "inner" });
  expect(genes).toEqual(GENES_A.slice(20));
  const kept = new Set(genes);
  expect(rows).toEqual(rows.map((_, row) => expectedRow(row).filter(([id]) => kept.has(id))));
});

test("outer keeps every value of every row", async () => {
  const { genes, rows } = await alignedRows(await openPair(), { genes: "outer" });
  expect(genes).toEqual([...GENES_A, ...names("h").slice(0, 20)]);
  expect(rows).toEqual(rows.map((_, row) => expectedRow(row)));
});

test("a given list decides genes and their order; measured() tells absent from zero", async () => {
  const list = ["h3", "g39", "nobody", "g1"];
  const collection = await openPair();
  const { genes, rows } = await alignedRows(collection, { genes: list });
  expect(genes).toEqual(list);
  expect(rows).toEqual(rows.map((_, row) => expectedRow(row).filter(([id]) => list.includes(id))));
  expect(rows.flat().length).toBeGreaterThan(0);
  const { dataset } = await alignGenes(collection, { genes: list });
  expect(dataset.measured(9)).toEqual(Uint8Array.of(0, 1, 0, 1));
  expect(dataset.measured(10)).toEqual(Uint8Array.of(1, 1, 0, 0));
  expect(() => dataset.measured(23)).toThrow(InvalidArgumentError);
});

test("missing genes are an error on request, with how many and which", async () => {
  const collection = await openPair();
  const strict = alignGenes(collection, { genes: ["g39", "h3", "g1"], missing: "error" });
  await expect(strict).rejects.toBeInstanceOf(NotFoundError);
  await expect(strict).rejects.toThrow("1 of 3 genes are missing: h3");
});

test("ids that repeat: refused, the first column, or the sum", async () => {
  const twice = [...GENES_A];
  // Columns 9 apart stand in one row: row 4 has 1, 10 columns 8 and 17.
  twice[17] = "g8";
  const collection = await openPair(twice, GENES_A);
  const refused = alignGenes(collection, { genes: "outer" });
  await expect(refused).rejects.toBeInstanceOf(FormatError);
  await expect(refused).rejects.toThrow("gene g8 stands several times in var");
  const first = await alignedRows(collection, { genes: "outer", duplicates: "first" });
  const sum = await alignedRows(collection, { genes: "outer", duplicates: "sum" });
  const plain = expectedRow(4, twice, GENES_A);
  expect(plain).toEqual([
    ["g8", 40],
    ["g8", 41],
  ]);
  expect(first.rows[4]).toEqual([["g8", 40]]);
  expect(sum.rows[4]).toEqual([["g8", 81]]);
  // Nothing of one row is left over in the next.
  for (const [row, values] of sum.rows.entries()) {
    const sums = new Map<string, number>();
    for (const [id, value] of expectedRow(row, twice, GENES_A)) {
      sums.set(id, (sums.get(id) ?? 0) + value);
    }
    expect(values).toEqual([...sums]);
  }
  const list = { genes: ["a", "b", "a"], duplicates: "first" } as const;
  await expect(alignGenes(collection, list)).rejects.toThrow("a stands twice on the gene list");
});

test("ids are compared as normalize gives them; none in common is an error", async () => {
  const versions = GENES_A.map((id, i) => `${id}.${i % 3}`);
  const collection = await openPair(GENES_A, versions);
  await expect(alignGenes(collection, { genes: "inner" })).rejects.toThrow(
    "no gene id is in every var block",
  );
  const normalize = (id: string) => id.replace(/\.\d+$/, "");
  const { genes, rows } = await alignedRows(collection, { genes: "inner", normalize });
  expect(genes).toEqual(GENES_A);
  expect(rows).toEqual(rows.map((_, row) => expectedRow(row, GENES_A, GENES_A)));
});

test("a loader reads aligned rows, in worker threads too, and its state knows the gene list", async () => {
  const collection = await openPair();
  const { dataset, genes } = await alignGenes(collection, { genes: "inner" });
  const batches: unknown[][] = [];
  for (const workers of [0, 1]) {
    await using loader = new Loader(dataset, stridedSampler(23), {
      batchSize: 5,
      workers,
      obs: ["cell_type"],
    });
    const found: unknown[] = [];
    for await (const { rows, data, indices, indptr, shape } of loader) {
      expect(shape).toEqual([rows.length, genes.length]);
      found.push([[...rows], [...data], [...indices], [...indptr]]);
    }
    batches.push(found);
  }
  expect(batches[1]).toEqual(batches[0]);
  const loader = new Loader(dataset, stridedSampler(23), { batchSize: 5 });
  const reversed = await alignGenes(collection, { genes: [...genes].reverse() });
  const other = new Loader(reversed.dataset, stridedSampler(23), { batchSize: 5 });
  expect(() => other.loadState(loader.state())).toThrow("the state was made with another data set");
});
