import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { FormatError, InvalidArgumentError, StorageError } from "../../../formats/common/errors.ts";
import type { CsrBatch } from "../../../src/data/batch.ts";
import type { Collate } from "../../../src/data/collate.ts";
import { Loader } from "../../../src/data/loader.ts";
import type { LoaderOptions } from "../../../src/data/loader-options.ts";
import { DatasetCollection } from "../../../src/dataset/dataset-collection.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { processPlace } from "../../../src/distributed/environment.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { writeRawArchive } from "../../helpers/raw-archive.ts";
import { runProcess } from "../../helpers/run-process.ts";
import {
  orderOf,
  SMALL_VARS,
  smallRow,
  stridedSampler,
  writeSmallDataset,
} from "../../helpers/small-dataset.ts";

const MODULE = new URL("./collate-module.fixture.ts", import.meta.url);

async function openSmall(rows = 23): Promise<SingleCellDataset> {
  const directory = await writeSmallDataset(`${temporaryDirectory()}/small.scdl`, { rows });
  const dataset = await SingleCellDataset.open(directory);
  onTestFinished(() => dataset.close());
  return dataset;
}

function makeLoader<C extends Collate = "csr">(
  dataset: SingleCellDataset | DatasetCollection,
  options: LoaderOptions<C>,
  sampler = stridedSampler(dataset.nObs),
): Loader<C> {
  const loader = new Loader(dataset, sampler, options);
  onTestFinished(() => loader.close());
  return loader;
}

/** Checks a batch against what its rows hold and returns the rows. */
function checkRows(batch: CsrBatch): number[] {
  const rows = [...batch.rows];
  const stored = rows.map(smallRow);
  expect([...batch.data]).toEqual(stored.flatMap(({ data }) => data));
  expect([...batch.indices]).toEqual(stored.flatMap(({ indices }) => indices));
  let end = 0;
  expect([...batch.indptr]).toEqual([0, ...stored.map(({ data }) => (end += data.length))]);
  expect(batch.shape).toEqual([rows.length, SMALL_VARS]);
  return rows;
}

async function rowsOf(loader: AsyncIterable<unknown>): Promise<number[][]> {
  const found: number[][] = [];
  // The loaders of these tests give CSR batches, or fail.
  for await (const batch of loader) found.push(checkRows(batch as CsrBatch));
  return found;
}

function chunks(rows: readonly number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, i) =>
    rows.slice(i * size, (i + 1) * size),
  );
}

describe.each([0, 1])("with %i workers", (workers) => {
  test("a loop is one epoch in the sampler's order, the next loop the next epoch", async () => {
    const dataset = await openSmall();
    const loader = makeLoader(dataset, { batchSize: 4, workers });
    const sampler = stridedSampler(dataset.nObs);
    expect(loader.nBatches).toBe(6);
    for (const epoch of [0, 1, 2]) {
      expect(loader.position).toEqual({ epoch, batch: 0 });
      expect(await rowsOf(loader)).toEqual(chunks(orderOf(sampler, epoch), 4));
    }
  });

  test("batches carry codes, numbers and lists of obs columns in their order", async () => {
    const dataset = await openSmall();
    const obs = ["cell_type", "n", "name"];
    const loader = makeLoader(dataset, { batchSize: 5, workers, obs });
    for await (const { rows, obs: columns } of loader) {
      const types = columns["cell_type"];
      if (types?.kind !== "categorical") throw new Error("expected codes");
      expect([...types.codes].map((code) => types.categories[code])).toEqual(
        [...rows].map((row) => `t${row % 3}`),
      );
      expect(columns["n"]).toEqual({
        kind: "numeric",
        values: Int32Array.from(rows, (row) => row * row),
        missing: null,
      });
      expect(columns["name"]).toEqual({
        kind: "list",
        values: [...rows].map((row) => `cell ${row}`),
      });
    }
  });

  test("dense batches hold every value in its place and zeros elsewhere", async () => {
    const dataset = await openSmall();
    const loader = makeLoader(dataset, { batchSize: 6, workers, collate: "dense" });
    for await (const { rows, data, shape } of loader) {
      expect(shape).toEqual([rows.length, SMALL_VARS]);
      expect(data).toEqual(dataset.rowsDense(rows));
    }
  });

  test("a collate function gets CSR batches; what it returns is what comes out", async () => {
    const dataset = await openSmall();
    const collate = async ({ rows, data }: CsrBatch) => ({ first: rows[0], nnz: data.length });
    const loader = makeLoader(dataset, { batchSize: 8, workers, collate });
    const found: { first: number | undefined; nnz: number }[] = [];
    for await (const value of loader) found.push(value);
    const order = chunks(orderOf(stridedSampler(23), 0), 8);
    expect(found).toEqual(
      order.map((rows) => ({
        first: rows[0],
        nnz: rows.flatMap((row) => smallRow(row).data).length,
      })),
    );
  });

  test("a collate module gives the same values in a worker as in the calling thread", async () => {
    const dataset = await openSmall();
    const collate = { module: MODULE, name: "sums", options: { scale: 2 } };
    const loader = makeLoader(dataset, { batchSize: 8, workers, collate, obs: ["cell_type"] });
    const found: unknown[] = [];
    for await (const value of loader) found.push(value);
    expect(found).toEqual(
      chunks(orderOf(stridedSampler(23), 0), 8).map((rows, batch) => ({
        batch,
        sums: Float64Array.from(rows, (row) => {
          return 2 * smallRow(row).data.reduce((sum, value) => sum + value, 0);
        }),
        types: rows.map((row) => `t${row % 3}`),
      })),
    );
  });

  test("when the next batch is asked for, the arrays of the last one are empty; kept on request", async () => {
    const dataset = await openSmall();
    const reused: CsrBatch[] = [];
    for await (const batch of makeLoader(dataset, { batchSize: 4, workers })) {
      expect(batch.indptr.length).toBe(batch.rows.length + 1);
      reused.push(batch);
    }
    expect(
      reused.map(({ data, indices, indptr }) => data.length + indices.length + indptr.length),
    ).toEqual([0, 0, 0, 0, 0, 0]);
    const kept: CsrBatch[] = [];
    const keeping = makeLoader(dataset, { batchSize: 4, workers, recycle: false });
    for await (const batch of keeping) kept.push(batch);
    expect(kept.map(checkRows)).toEqual(chunks(orderOf(stridedSampler(23), 0), 4));
  });

  test("a loop left early stands at the next batch; its state goes on in another loader", async () => {
    const dataset = await openSmall();
    const order = chunks(orderOf(stridedSampler(23), 0), 4);
    const loader = makeLoader(dataset, { batchSize: 4, workers });
    for await (const batch of loader) if (batch.batch === 2) break;
    expect(loader.position).toEqual({ epoch: 0, batch: 3 });
    const text = JSON.stringify(loader.state());
    const resumed = makeLoader(dataset, { globalBatchSize: 4, workers: 1 });
    resumed.loadState(JSON.parse(text));
    expect(await rowsOf(resumed)).toEqual(order.slice(3));
    expect(await rowsOf(loader)).toEqual(order.slice(3));
    expect(loader.position).toEqual({ epoch: 1, batch: 0 });
  });

  test("the state taken in the loop on the last batch begins the next epoch", async () => {
    const dataset = await openSmall(8);
    const loader = makeLoader(dataset, { batchSize: 4, workers });
    const positions: unknown[] = [];
    for await (const _ of loader) positions.push([loader.state().epoch, loader.state().batch]);
    expect(positions).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });

  test("an aborted signal ends a loop with its reason, also while a batch is waited for", async () => {
    const dataset = await openSmall();
    const abort = new AbortController();
    const never = () => new Promise<never>(() => {});
    const collate = workers === 0 ? async () => {} : { module: MODULE, name: "never" };
    const loader = makeLoader(dataset, {
      batchSize: 4,
      workers,
      signal: abort.signal,
      collate: collate as typeof never,
    });
    const reason = new Error("stop");
    setTimeout(() => abort.abort(reason), 1);
    const loop = async () => {
      for await (const _ of loader) await new Promise((resolve) => setTimeout(resolve, 2));
    };
    await expect(loop()).rejects.toBe(reason);
    await expect(loop()).rejects.toBe(reason);
    expect(loader.position.epoch).toBe(0);
  });

  test("an error of the collate function names batch and rows, and the loop can go on after it", async () => {
    const dataset = await openSmall();
    let fail = true;
    const collate = (batch: CsrBatch) => {
      if (batch.batch === 1 && fail) throw new RangeError("bad luck");
      return batch.batch;
    };
    const loader = makeLoader(dataset, { batchSize: 3, workers, collate });
    const seen: number[] = [];
    const loop = async () => {
      for await (const batch of loader) seen.push(batch);
    };
    await expect(loop()).rejects.toMatchObject({
      code: "collate-failed",
      message: "collate failed on batch 1 of epoch 0 (rows 21, 5, 12): bad luck",
      cause: expect.any(RangeError),
    });
    fail = false;
    await loop();
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("a damaged row is named, after all batches before it", async () => {
    const directory = await writeSmallDataset(`${temporaryDirectory()}/damaged.scdl`);
    const file = path.join(directory, "row_ptr.npy");
    const pointers = fs.readFileSync(file);
    pointers.writeUInt32LE(4_000_000, 4 * 12);
    fs.writeFileSync(file, pointers);
    const dataset = await SingleCellDataset.open(directory);
    onTestFinished(() => dataset.close());
    const loader = makeLoader(dataset, { batchSize: 1, workers }, stridedSampler(23, 1, 0));
    const seen: number[] = [];
    const loop = async () => {
      for await (const batch of loader) seen.push(...batch.rows);
    };
    await expect(loop()).rejects.toBeInstanceOf(FormatError);
    await expect(loop()).rejects.toThrow("row 11 is stored at");
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("validate finds a column beyond the variables and names its row", async () => {
    const directory = await writeSmallDataset(`${temporaryDirectory()}/damaged.scdl`);
    const file = path.join(directory, "col_ptr.npy");
    const columns = fs.readFileSync(file);
    columns.writeUInt16LE(999, 0);
    fs.writeFileSync(file, columns);
    const dataset = await SingleCellDataset.open(directory);
    onTestFinished(() => dataset.close());
    const message = `${file}: row 1 has column 999, expected below 40`;
    const loop = async (loader: AsyncIterable<unknown>) => {
      for await (const _ of loader);
    };
    const checked = makeLoader(dataset, { batchSize: 4, workers, validate: true });
    await expect(loop(checked)).rejects.toThrow(message);
    const dense = makeLoader(dataset, { batchSize: 4, collate: "dense" });
    await expect(loop(dense)).rejects.toThrow(message);
  });

  test("a data set replaced by rename while it is read: the loader finishes on the old files", async () => {
    const root = temporaryDirectory();
    const directory = await writeSmallDataset(`${root}/a.scdl`);
    const other = await writeSmallDataset(`${root}/b.scdl`, { rows: 400 });
    const dataset = await SingleCellDataset.open(directory);
    onTestFinished(() => dataset.close());
    const loader = makeLoader(dataset, { batchSize: 4, workers, prefetch: workers });
    const rows: number[][] = [];
    for await (const batch of loader) {
      rows.push(checkRows(batch));
      if (batch.batch !== 0) continue;
      fs.renameSync(directory, `${root}/old.scdl`);
      fs.renameSync(other, directory);
      fs.rmSync(`${root}/old.scdl`, { recursive: true });
    }
    expect(rows).toEqual(chunks(orderOf(stridedSampler(23), 0), 4));
    expect((await rowsOf(loader)).flat()).toEqual(orderOf(stridedSampler(23), 1));
  });

  test("a file shortened in place is noticed before the next batch is read", async () => {
    const directory = await writeSmallDataset(`${temporaryDirectory()}/a.scdl`, { rows: 500 });
    const dataset = await SingleCellDataset.open(directory);
    onTestFinished(() => dataset.close());
    const loader = makeLoader(dataset, { batchSize: 50, workers, prefetch: workers });
    const loop = async () => {
      for await (const batch of loader) {
        if (batch.batch === 3) fs.truncateSync(path.join(directory, "data.npy"), 100);
      }
    };
    await expect(loop()).rejects.toMatchObject({
      name: "StorageError",
      code: "file-changed",
      message: expect.stringContaining("data.npy: the file changed while open"),
    });
    // A worker may have read one batch more by then.
    const { batch } = loader.position;
    expect([4, 4 + workers]).toContain(batch);
  });
});

test("every rank gets its part of each global batch, whatever the number of workers", async () => {
  const dataset = await openSmall();
  const order = orderOf(stridedSampler(23), 0);
  const shares = await Promise.all(
    [0, 1, 2].map((rank) =>
      rowsOf(makeLoader(dataset, { globalBatchSize: 6, rank, worldSize: 3, workers: rank })),
    ),
  );
  expect(shares.map((batches) => batches.length)).toEqual([4, 4, 4]);
  const joined = [0, 1, 2, 3].map((batch) => shares.flatMap((batches) => batches[batch] ?? []));
  expect(joined).toEqual(chunks(order, 6));
});

test("dropLast and padLast; padding is counted", async () => {
  const dataset = await openSmall();
  const order = orderOf(stridedSampler(23), 0);
  const dropped = makeLoader(dataset, { batchSize: 5, dropLast: true });
  expect(await rowsOf(dropped)).toEqual(chunks(order.slice(0, 20), 5));
  const padded = makeLoader(dataset, { batchSize: 5, padLast: true });
  const padding: number[] = [];
  const rows: number[][] = [];
  for await (const batch of padded) {
    padding.push(batch.padding);
    rows.push(checkRows(batch));
  }
  expect(padding).toEqual([0, 0, 0, 0, 2]);
  expect(rows).toEqual(chunks([...order, ...order.slice(0, 2)], 5));
});

test("stopped anywhere and resumed at other ranks and workers, exactly the rest comes", async () => {
  const dataset = await openSmall();
  const arbitrary = fc.record({
    perRank: fc.integer({ min: 1, max: 3 }),
    worlds: fc.constantFrom([1, 2], [2, 1], [2, 4], [4, 2], [4, 1], [3, 6], [6, 1]),
    cut: fc.integer({ min: 0, max: 7 }),
    epoch: fc.integer({ min: 0, max: 3 }),
    last: fc.constantFrom({}, { dropLast: true }, { padLast: true }),
  });
  const read = async (loader: Loader, until: number) => {
    const batches: number[][] = [];
    for await (const batch of loader) {
      batches.push(checkRows(batch));
      if (loader.position.batch === until) break;
    }
    return batches;
  };
  const join = (ranks: number[][][]) =>
    (ranks[0] ?? []).map((_, batch) => ranks.flatMap((batches) => batches[batch] ?? []));
  await fc.assert(
    fc.asyncProperty(arbitrary, async ({ perRank, worlds, cut, epoch, last }) => {
      const [world = 1, newWorld = 1] = worlds;
      // Less than one batch cannot be dropped.
      fc.pre(perRank * 12 <= 23 || !("dropLast" in last));
      const globalBatchSize = perRank * 12;
      const ranks = (worldSize: number) =>
        Array.from(
          { length: worldSize },
          (_, rank) =>
            new Loader(dataset, stridedSampler(23), {
              ...last,
              globalBatchSize,
              worldSize,
              rank,
            }),
        );
      const whole = ranks(1)[0] as Loader;
      whole.seek(epoch);
      const all = await read(whole, -1);
      const stop = Math.min(cut, all.length);
      const before = ranks(world);
      for (const loader of before) loader.seek(epoch);
      const first = stop === 0 ? [] : await Promise.all(before.map((loader) => read(loader, stop)));
      const { epoch: at, batch } = (before[0] as Loader).position;
      const state = JSON.parse(JSON.stringify((before[0] as Loader).state()));
      const after = ranks(newWorld);
      for (const loader of after) loader.loadState(state);
      const rest = at > epoch ? [] : await Promise.all(after.map((loader) => read(loader, -1)));
      expect(batch).toBe(at > epoch ? 0 : stop);
      expect([...join(first), ...join(rest)]).toEqual(all);
    }),
    { numRuns: 150 },
  );
});

test("a collection is read like a data set, by workers too", async () => {
  const root = temporaryDirectory();
  const directories = [
    await writeSmallDataset(`${root}/a.scdl`, { rows: 9 }),
    await writeSmallDataset(`${root}/b.scdl`, { rows: 14 }),
  ];
  const collection = await DatasetCollection.open(directories);
  onTestFinished(() => collection.close());
  for (const workers of [0, 2]) {
    const loader = makeLoader(collection, { batchSize: 4, workers, obs: ["n"] });
    const found: [number, number][] = [];
    for await (const { rows, data, indptr, obs } of loader) {
      for (const [i, row] of rows.entries()) {
        const local = row < 9 ? row : row - 9;
        const values = data.slice(indptr[i], indptr[i + 1]);
        expect([...values]).toEqual(smallRow(local).data);
        const n = obs["n"];
        if (n?.kind === "numeric") found.push([row, Number(n.values[i])]);
      }
    }
    const order = orderOf(stridedSampler(23), 0);
    expect(found).toEqual(order.map((row) => [row, (row < 9 ? row : row - 9) ** 2]));
  }
});

test("at most prefetch batches are read ahead, however slow the reader of them is", async () => {
  const dataset = await openSmall(200);
  const sampler = stridedSampler(200);
  let asked = 0;
  const counting = {
    ...sampler,
    fill: (epoch: number, begin: number, out: Float64Array) => {
      asked++;
      sampler.fill(epoch, begin, out);
    },
  };
  const loader = makeLoader(dataset, { batchSize: 2, workers: 2, prefetch: 5 }, counting);
  for await (const { batch } of loader) {
    expect(asked).toBeLessThanOrEqual(batch + 1 + 5);
    if (batch === 10) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(asked).toBe(100);
});

test("a worker that dies fails the loop with a typed error; the next loop starts new ones", async () => {
  const dataset = await openSmall();
  const collate = { module: MODULE, name: "dieOnce", options: `${temporaryDirectory()}/died` };
  const loader = makeLoader(dataset, { batchSize: 4, workers: 2, collate });
  const batches: unknown[] = [];
  const loop = async () => {
    for await (const value of loader) batches.push(value);
  };
  await expect(loop()).rejects.toMatchObject({
    name: "LoaderError",
    code: "worker-died",
    message: expect.stringContaining("exit code 3"),
    suggestions: expect.arrayContaining(["use workers: 0 to see where"]),
  });
  await loop();
  expect(batches).toEqual([0, 1, 2, 3, 4, 5]);
});

test("workers refuse a data set that was replaced before they opened it", async () => {
  const root = temporaryDirectory();
  const directory = await writeSmallDataset(`${root}/a.scdl`);
  const dataset = await SingleCellDataset.open(directory);
  onTestFinished(() => dataset.close());
  fs.renameSync(directory, `${root}/old.scdl`);
  await writeSmallDataset(directory);
  const loader = makeLoader(dataset, { batchSize: 4, workers: 1 });
  await expect(rowsOf(loader)).rejects.toBeInstanceOf(StorageError);
  await expect(rowsOf(loader)).rejects.toThrow("replaced after it was opened");
  expect((await rowsOf(makeLoader(dataset, { batchSize: 4 }))).length).toBe(6);
});

test("a column or a module that does not exist is named in the first loop", async () => {
  const dataset = await openSmall();
  const missing = makeLoader(dataset, { batchSize: 4, obs: ["tissue"] });
  await expect(rowsOf(missing)).rejects.toThrow('there is no column "tissue" (there is: cell_type');
  for (const workers of [0, 1]) {
    const noModule = makeLoader(dataset, {
      batchSize: 4,
      workers,
      collate: { module: "/no/such/module.mjs" },
    });
    await expect(rowsOf(noModule)).rejects.toThrow(InvalidArgumentError);
    const noName = makeLoader(dataset, {
      batchSize: 4,
      workers,
      collate: { module: MODULE, name: "nothing" },
    });
    await expect(rowsOf(noName)).rejects.toThrow("exports no function nothing");
  }
});

test("one loop at a time; a closed loader says so", async () => {
  const dataset = await openSmall();
  const loader = makeLoader(dataset, { batchSize: 4 });
  const iterator = loader[Symbol.asyncIterator]();
  await iterator.next();
  await expect(loader[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: "loader-busy",
  });
  expect(() => loader.seek(1)).toThrow("the loader is being iterated");
  await iterator.return();
  loader.seek(1);
  await loader.close();
  await expect(rowsOf(loader)).rejects.toMatchObject({ code: "closed" });
});

test.each([
  [{}, "give batchSize"],
  [{ batchSize: 2, globalBatchSize: 2 }, "give batchSize"],
  [{ batchSize: 0 }, "batchSize is 0"],
  [{ batchSize: 2, workers: -1 }, "workers is -1"],
  [{ batchSize: 2, workers: 1.5 }, "workers is 1.5"],
  [{ batchSize: 2, prefetch: -1 }, "prefetch is -1"],
  [{ batchSize: 2, dropLast: true, padLast: true }, "not both"],
  [{ batchSize: 2, workers: 1, prefetch: 0 }, "prefetch is 0, expected an integer from 1"],
  [{ batchSize: 2, worldSize: 2 }, "worldSize is 2 and rank is not given: give both or none"],
  [{ batchSize: 2, rank: 0 }, "rank is 0 and worldSize is not given"],
  [{ globalBatchSize: 3, rank: 0, worldSize: 2 }, "no equal parts for 2 ranks"],
])("%j is refused at once", async (options, message) => {
  const dataset = await openSmall();
  const make = () => new Loader(dataset, stridedSampler(23), options);
  expect(make).toThrow(InvalidArgumentError);
  expect(make).toThrow(message);
});

test("plain JavaScript: options of another kind and unknown ones are named, with what was meant", async () => {
  const dataset = await openSmall();
  const make = (options: unknown) => () =>
    new Loader(dataset, stridedSampler(23), options as LoaderOptions);
  const refuse = (options: unknown, message: string, ...suggestions: string[]) => {
    expect(make(options)).toThrow(InvalidArgumentError);
    expect(make(options)).toThrow(expect.objectContaining({ message, suggestions }));
  };
  refuse(
    { batchSize: 2, colate: "csr" },
    "Loader has no option colate",
    "collate, if that is what colate should be",
  );
  refuse(
    { batchSize: 2, collate: "foo" },
    'Loader: collate is "foo", expected one of "csr", "dense", or a function, or { module: URL or absolute path }',
  );
  refuse({ batchSize: 2, obs: "x" }, 'Loader: obs is "x", expected a list of texts');
  refuse({ batchSize: "2" }, 'Loader: batchSize is "2", expected a number');
  refuse(undefined, "Loader: expected an object of options, found undefined");
  // What processPlace() returns can be spread.
  const place = processPlace({});
  expect(make({ batchSize: 2, ...place })().nBatches).toBe(12);
  const missing = (value: unknown) => () =>
    new Loader(dataset, value as ReturnType<typeof stridedSampler>, { batchSize: 2 });
  expect(missing(undefined)).toThrow("Loader: expected a sampler, found undefined");
  const nothing = null as unknown as SingleCellDataset;
  expect(() => new Loader(nothing, stridedSampler(23), { batchSize: 2 })).toThrow(
    "Loader: expected a data set, found null",
  );
});

test("a sampler of another number of rows is refused", async () => {
  const dataset = await openSmall();
  expect(() => new Loader(dataset, stridedSampler(24), { batchSize: 1 })).toThrow(
    "the sampler orders 24 rows, the data set has 23",
  );
});

test("20 epochs are read in the memory of a few batches", async () => {
  const [rows, perRow] = [256, 2_000];
  const archive = writeRawArchive(`${temporaryDirectory()}/raw.scdl`, {
    dtypes: { data: "float32", indices: "uint16", indptr: "uint32" },
    data: new Float32Array(rows * perRow).fill(1),
    indices: Uint16Array.from({ length: rows * perRow }, (_, k) => k % perRow),
    indptr: Uint32Array.from({ length: rows + 1 }, (_, row) => row * perRow),
    nVars: perRow,
  });
  const dataset = SingleCellDataset.fromArchive(archive);
  onTestFinished(() => dataset.close());
  const loader = makeLoader(dataset, { batchSize: 16 }, stridedSampler(rows));
  let delivered = 0;
  let peak = 0;
  const before = process.memoryUsage().arrayBuffers;
  for (let epoch = 0; epoch < 20; epoch++) {
    for await (const { data, indices } of loader) {
      delivered += data.byteLength + indices.byteLength;
      peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
    }
  }
  expect(delivered).toBe(20 * rows * perRow * 6);
  // A batch has 0.2 MB and all of them 61 MB; what is small and not reused is some 10 kB each.
  expect(peak).toBeLessThan(4 * 2 ** 20);
});

test("idle workers do not keep the process alive, in or after a loop that was left", async () => {
  const directory = await writeSmallDataset(`${temporaryDirectory()}/small.scdl`);
  const entry = new URL("../../../dist/src/index.js", import.meta.url).href;
  const program = `
    import { Loader, SequentialSampler, SingleCellDataset } from ${JSON.stringify(entry)};
    const dataset = await SingleCellDataset.open(${JSON.stringify(directory)});
    const loader = new Loader(dataset, new SequentialSampler(23), { batchSize: 4, workers: 2 });
    for await (const { rows } of loader) { console.log(rows.join(" ")); break; }
    const { value } = await loader[Symbol.asyncIterator]().next();
    console.log(value.rows.join(" "));
  `;
  const result = await runProcess(process.execPath, ["--input-type=module", "--eval", program]);
  expect(result).toMatchObject({ code: 0, stderr: "", stdout: "0 1 2 3\n4 5 6 7\n" });
});
