import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SingleCellDataset } from "../../src/dataset/single-cell-dataset.ts";
import { permute } from "../../src/sampling/permute.ts";
import { inspectShards } from "../../src/webdataset/inspect-shards.ts";
import { WebDataset } from "../../src/webdataset/web-dataset.ts";
import { writeDatasetShards } from "../../src/webdataset/write-dataset-shards.ts";
import { loadBundle, temporaryDirectory, unpack } from "../helpers/bundle.ts";
import { runScdl } from "../helpers/run-process.ts";

test("scdl shards write and inspect: every cell comes back with its values and obs", async () => {
  const input = unpack(loadBundle("head"), "a");
  const output = join(temporaryDirectory(), "shards");
  using dataset = await SingleCellDataset.open(input);
  const [{ name: column = "" } = {}] = await dataset.obsColumns();
  const written = await runScdl([
    ...["shards", "write", input, "--output", output, "--samples-per-shard", "3"],
    ...["--obs", column, "--json"],
  ]);
  expect(written).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(written.stdout)).toMatchObject({
    samples: 8,
    fields: ["data.npy", "indices.npy", "obs.json"],
    shards: [{ samples: 3 }, { samples: 3 }, { samples: 2 }],
  });
  expect(readdirSync(output)).toEqual([
    ...["cells-000000.tar", "cells-000000.tar.index", "cells-000001.tar", "cells-000001.tar.index"],
    ...["cells-000002.tar", "cells-000002.tar.index", "shards.json"],
  ]);
  const obs = await dataset.obsColumn(column);
  let row = 0;
  for await (const sample of new WebDataset(join(output, "cells-{000000..000002}.tar")).decode()) {
    const { data, indices } = dataset.row(row);
    expect(sample).toMatchObject({
      __key__: String(row).padStart(10, "0"),
      "data.npy": { dtype: dataset.dtypes.data, data },
      "indices.npy": { dtype: dataset.dtypes.indices, data: indices },
      "obs.json": { [column]: obs.at(row) },
    });
    row++;
  }
  expect(row).toBe(8);

  const inspected = await runScdl(["shards", "inspect", output]);
  expect(inspected).toMatchObject({ code: 0, stderr: "" });
  expect(inspected.stdout).toMatch(/^8 samples in 3 shards, .*, 3 with an index file\n/);
  expect(inspected.stdout).toMatch(/ {2}data\.npy +\d+ B.*, e\.g\. float32 \(\d+\)\n/);

  const again = await runScdl(["shards", "write", input, "-o", output, "--samples-per-shard", "3"]);
  expect(again).toMatchObject({ code: 1 });
  expect(again.stderr).toContain("already exists");

  const second = join(output, "cells-000001.tar");
  writeFileSync(second, readFileSync(second).subarray(0, 2000));
  const damaged = await runScdl(["shards", "inspect", join(output, "cells-{000000..000002}.tar")]);
  expect(damaged.code).toBe(1);
  expect(damaged.stdout).toContain(`error: ${second}: expected at least`);
});

test("dense, shuffled, compressed shards replace older ones and nothing else", async () => {
  const input = unpack(loadBundle("head"), "a");
  const output = join(temporaryDirectory(), "shards");
  using dataset = await SingleCellDataset.open(input);
  const base = { output, samplesPerShard: 5 };
  await writeDatasetShards(input, base);
  await writeDatasetShards(input, {
    ...base,
    ...{ layout: "dense", shuffleSeed: 3, compress: "zstd", overwrite: true, prefix: "c" },
  });
  const shards = [join(output, "c-000000.tar.zst"), join(output, "c-000001.tar.zst")];
  expect(readdirSync(output)).toHaveLength(3);
  const rows: number[] = [];
  for await (const { __key__, "x.npy": x } of new WebDataset(shards).decode()) {
    expect(x).toMatchObject({ shape: [dataset.nVars], data: dataset.rowDense(Number(__key__)) });
    rows.push(Number(__key__));
  }
  expect(rows).toEqual(Array.from({ length: 8 }, (_, i) => permute(i, 8, 3)));
  const manifest = JSON.parse(readFileSync(join(output, "shards.json"), "utf8"));
  expect(manifest).toMatchObject({ format: "scdl-shards", nObs: 8, nVars: 10, fields: ["x.npy"] });

  writeFileSync(join(output, "notes.txt"), "mine");
  await expect(writeDatasetShards(input, { ...base, overwrite: true })).rejects.toThrow(
    "holds files that are no shards (notes.txt)",
  );
  const elsewhere = join(output, "..", "other");
  await expect(
    writeDatasetShards(input, { ...base, output: elsewhere, obs: ["gone"] }),
  ).rejects.toThrow(expect.objectContaining({ code: "no-such-column" }));
  const aborted = AbortSignal.abort(new Error("stop"));
  await expect(
    writeDatasetShards(input, { ...base, output: elsewhere, signal: aborted }),
  ).rejects.toThrow("stop");
  expect(existsSync(elsewhere)).toBe(false);
  expect(readdirSync(join(output, ".."))).toEqual(["shards"]);
});

test("inspectShards tells what is missing, empty, stale or cannot be read", async () => {
  const input = unpack(loadBundle("head"), "a");
  const output = join(temporaryDirectory(), "shards");
  await writeDatasetShards(input, { output, samplesPerShard: 4 });
  writeFileSync(join(output, "d.tar"), Buffer.alloc(10_240));
  writeFileSync(
    join(output, "cells-000001.tar.index"),
    readFileSync(join(output, "cells-000000.tar.index")),
  );
  const bytes = readFileSync(join(output, "cells-000000.tar"));
  const at = bytes.indexOf("NUMPY", 2000);
  bytes.write("XXXXX", at);
  writeFileSync(join(output, "cells-000000.tar"), bytes);
  expect((await inspectShards(output)).problems.map(({ severity }) => severity)).toEqual([
    "warning",
    "warning",
  ]);
  const { problems } = await inspectShards([output], { verify: true });
  expect(problems.map(({ message }) => message)).toEqual([
    expect.stringContaining("expected an npy file"),
    "the index file is that of another shard",
    "the shard is empty",
  ]);
  await expect(inspectShards(temporaryDirectory())).rejects.toThrow("no .tar file in the folder");
});

test("scdl shards inspect of nothing says only what is wrong, and what to try", async () => {
  const missing = await runScdl(["shards", "inspect", "nope"]);
  expect(missing).toMatchObject({ code: 1, stderr: "" });
  expect(missing.stdout).toBe("error: nope: no such file or directory\n  try: check the path\n");
  const empty = await runScdl(["shards", "inspect", temporaryDirectory()]);
  expect(empty.stderr).toContain("try: name the folder that scdl shards write --output was given");
});

test("scdl shards write of proteins: sequence.txt and id.txt, in the order of the file", async () => {
  const folder = temporaryDirectory();
  const fasta = join(folder, "p.fasta");
  writeFileSync(fasta, ">a one\nMKTA\n>b\nACD\nEF\n>c\nW\n");
  const output = join(folder, "shards");
  const to = ["--output", output, "--samples-per-shard", "2"];
  const written = await runScdl(["shards", "write", fasta, ...to]);
  expect(written).toMatchObject({ code: 0, stderr: "" });
  expect(written.stdout).toBe(
    `wrote ${output}: 3 proteins in 2 shards, 13 B of sequence.txt, id.txt\n`,
  );
  const found: unknown[] = [];
  const shards = join(output, "proteins-{000000..000001}.tar");
  for await (const { __url__, ...sample } of new WebDataset(shards).decode()) found.push(sample);
  expect(found).toEqual([
    { __key__: "0000000000", "sequence.txt": "MKTA", "id.txt": "a" },
    { __key__: "0000000001", "sequence.txt": "ACDEF", "id.txt": "b" },
    { __key__: "0000000002", "sequence.txt": "W", "id.txt": "c" },
  ]);
  const dense = await runScdl([
    "shards",
    "write",
    fasta,
    "--output",
    `${output}2`,
    ...to.slice(2),
    "--dense",
  ]);
  expect(dense).toMatchObject({ code: 2 });
  expect(dense.stderr).toContain("--dense is for cells");
});
