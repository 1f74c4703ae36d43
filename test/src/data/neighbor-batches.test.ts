import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { IncompatibleError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { CsrBatch } from "../../../src/data/batch.ts";
import { alignGenes } from "../../../src/data/gene-alignment.ts";
import { Loader } from "../../../src/data/loader.ts";
import { collateNeighborSparseMatrixBatch } from "../../../src/data/sparse-collate.ts";
import { DatasetCollection } from "../../../src/dataset/dataset-collection.ts";
import type { NeighborOptions } from "../../../src/dataset/neighbors.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { loadBundle, temporaryDirectory, unpack } from "../../helpers/bundle.ts";
import { orderOf, stridedSampler, writeSmallDataset } from "../../helpers/small-dataset.ts";

const MODULE = new URL("./collate-module.fixture.ts", import.meta.url);

/** 8 cells with neighbours, written by bionemo-scdl. */
async function openCells(neighbors: NeighborOptions = {}): Promise<SingleCellDataset> {
  const dataset = await SingleCellDataset.open(unpack(loadBundle("head"), "a"), { neighbors });
  onTestFinished(() => dataset.close());
  return dataset;
}

/** One epoch of batches, kept. */
async function epochOf(loader: Loader, epoch: number): Promise<CsrBatch[]> {
  onTestFinished(() => loader.close());
  loader.seek(epoch);
  const batches: CsrBatch[] = [];
  for await (const batch of loader) batches.push(batch);
  return batches;
}

test.each([0, 1, 2])(
  "cells and neighbours as the original collates them, %i workers",
  async (workers) => {
    const dataset = await openCells({ seed: 5 });
    const sampler = stridedSampler(dataset.nObs, 3);
    const options = { batchSize: 3, workers, neighbors: true, recycle: false } as const;
    const loader = new Loader(dataset, sampler, options);
    for (const epoch of [0, 1, 4]) {
      const batches = await epochOf(loader, epoch);
      expect(batches.flatMap(({ rows }) => [...rows])).toEqual(orderOf(sampler, epoch));
      for (const batch of batches) {
        const pairs = [...batch.rows].map((row) => dataset.rowWithNeighbor(row, epoch));
        const width = dataset.nVars;
        const expected = collateNeighborSparseMatrixBatch(pairs, { width });
        expect([...(batch.nextRows ?? [])]).toEqual(expected.nextCellIndices);
        for (const [found, wanted] of [
          [batch, expected.currentCells],
          [batch.next, expected.nextCells],
        ] as const) {
          expect([...(found?.data ?? [])]).toEqual([...wanted.data]);
          expect([...(found?.indices ?? [])]).toEqual([...wanted.indices]);
          expect([...(found?.indptr ?? [])]).toEqual([...wanted.indptr]);
          expect(found?.shape).toEqual(wanted.shape);
        }
      }
    }
  },
);

test("a collection draws what its data sets draw, in rows of its own, with workers too", async () => {
  const members = [await openCells({ seed: 5 }), await openCells({ seed: 5 })];
  const collection = new DatasetCollection(members);
  const { neighbors } = collection;
  const [first] = members;
  if (first === undefined || neighbors === null) throw new Error("neighbours are missing");
  const nObs = first.nObs;
  for (let row = 0; row < nObs; row++) {
    const own = [...(first.neighbors?.indices(row) ?? [])];
    expect([...neighbors.indices(row)]).toEqual(own);
    expect([...neighbors.indices(nObs + row)]).toEqual(own.map((found) => found + nObs));
    expect([...neighbors.weights(nObs + row)]).toEqual([...(first.neighbors?.weights(row) ?? [])]);
    expect(neighbors.count(nObs + row)).toBe(own.length);
  }
  expect(() => neighbors.sample(2 * nObs)).toThrow(InvalidArgumentError);
  const sampler = stridedSampler(2 * nObs, 3);
  for (const workers of [0, 1]) {
    const options = { batchSize: 5, workers, neighbors: true, recycle: false } as const;
    for (const { rows, nextRows, next } of await epochOf(
      new Loader(collection, sampler, options),
      4,
    )) {
      const expected = [...rows].map((row) => {
        const offset = row < nObs ? 0 : nObs;
        return offset + first.rowWithNeighbor(row - offset, 4).nextIndex;
      });
      expect([...(nextRows ?? [])]).toEqual(expected);
      expect([...(next?.data ?? [])]).toEqual(
        expected.flatMap((row) => [...collection.row(row).data]),
      );
    }
  }
  const mixed = new DatasetCollection([first, await openCells({ seed: 6 })]);
  expect(() => mixed.neighbors).toThrow(IncompatibleError);
  const plain = await SingleCellDataset.open(
    await writeSmallDataset(`${temporaryDirectory()}/small.scdl`),
  );
  onTestFinished(() => plain.close());
  const half = new DatasetCollection([first, plain]);
  expect(half.neighbors).toBeNull();
  const load = () => new Loader(half, stridedSampler(half.nObs), { batchSize: 1, neighbors: true });
  expect(load).toThrow(expect.objectContaining({ code: "no-neighbors" }));
});

test("the neighbour of a cell depends on seed, epoch and row alone", async () => {
  const drawn = async (seed: number, epoch: number, batchSize: number, shift: number) => {
    const dataset = await openCells({ seed });
    const sampler = stridedSampler(dataset.nObs, 3, shift);
    const loader = new Loader(dataset, sampler, { batchSize, neighbors: true, recycle: false });
    const pairs = (await epochOf(loader, epoch)).flatMap(({ rows, nextRows }) =>
      [...rows].map((row, i) => [row, nextRows?.[i]] as const),
    );
    return pairs.sort(([a], [b]) => a - b);
  };
  const reference = await drawn(1, 2, 3, 3);
  expect(await drawn(1, 2, 5, 1)).toEqual(reference);
  expect(await drawn(1, 3, 3, 3)).not.toEqual(reference);
  expect(await drawn(2, 2, 3, 3)).not.toEqual(reference);
});

test("dense batches, aligned genes and collate modules carry neighbours too", async () => {
  const dataset = await openCells({ strategy: "first" });
  const sampler = stridedSampler(dataset.nObs, 3);
  const common = { batchSize: 4, neighbors: true, recycle: false } as const;
  const [csr] = await epochOf(new Loader(dataset, sampler, common), 0);
  const width = dataset.nVars;
  const next = [...(csr?.nextRows ?? [])];
  const expected = next.flatMap((row) => [...dataset.rowDense(row)]);
  expect(new Set(expected).size).toBeGreaterThan(1);
  for await (const batch of new Loader(dataset, sampler, { ...common, collate: "dense" })) {
    expect([...(batch.next?.data ?? [])]).toEqual(expected);
    expect([...batch.data]).toEqual([...batch.rows].flatMap((row) => [...dataset.rowDense(row)]));
    expect(batch.next?.shape).toEqual([4, width]);
    break;
  }
  const { dataset: aligned } = await alignGenes(dataset, {
    genes: "inner",
    idColumn: "gene_symbol",
  });
  const [alike] = await epochOf(new Loader(aligned, sampler, common), 0);
  expect([...(alike?.nextRows ?? [])]).toEqual(next);
  await using loader = new Loader(dataset, sampler, {
    ...common,
    workers: 1,
    collate: { module: MODULE, name: "nextSums" },
  });
  for await (const sums of loader) {
    expect(sums).toEqual(next.map((row) => [row, sum(dataset.rowDense(row))]));
    break;
  }
});

function sum(values: ArrayLike<number | bigint>): number {
  return Array.from(values, Number).reduce((total, value) => total + value, 0);
}

test("without neighbours, and going on with other ones, are errors", async () => {
  const dataset = await openCells({ seed: 1 });
  const sampler = stridedSampler(dataset.nObs);
  const plain = new Loader(dataset, sampler, { batchSize: 3 });
  const [first] = await epochOf(plain, 0);
  expect([first?.nextRows, first?.next]).toEqual([null, null]);
  const loader = new Loader(dataset, sampler, { batchSize: 3, neighbors: true });
  const state = JSON.parse(JSON.stringify(loader.state()));
  expect(() => plain.loadState(state)).toThrow("the state was made with other neighbours");
  const other = new Loader(await openCells({ seed: 2 }), sampler, {
    batchSize: 3,
    neighbors: true,
  });
  expect(() => other.loadState(state)).toThrow("seed 1 instead of 2");
  loader.loadState(state);
  const small = await writeSmallDataset(join(temporaryDirectory(), "small.scdl"));
  const without = await SingleCellDataset.open(small);
  onTestFinished(() => without.close());
  const order = stridedSampler(without.nObs);
  expect(() => new Loader(without, order, { batchSize: 3, neighbors: true })).toThrow(
    "no neighbours to draw from",
  );
});

test("a damaged neighbour is named after the batches before it", async () => {
  const directory = unpack(loadBundle("head"), "a");
  const file = join(directory, "neighbor_indices.npy");
  const dataset = await SingleCellDataset.open(directory, { neighbors: { strategy: "first" } });
  onTestFinished(() => dataset.close());
  const count = dataset.neighbors?.stats().totalConnections ?? 0;
  rmSync(file);
  const damaged = new Uint32Array(count);
  // The neighbours of the last cells do not exist.
  damaged.fill(1000, Math.floor(count / 2));
  writeFileSync(file, damaged);
  const again = await SingleCellDataset.open(directory, { neighbors: { strategy: "first" } });
  onTestFinished(() => again.close());
  const loader = new Loader(again, stridedSampler(again.nObs, 1, 0), {
    batchSize: 1,
    neighbors: true,
    prefetch: 8,
  });
  let given = 0;
  const loop = async () => {
    for await (const _ of loader) given++;
  };
  await expect(loop()).rejects.toMatchObject({ code: "neighbor-out-of-range" });
  expect(given).toBeGreaterThan(0);
});
