import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { LabelMap } from "../../../src/proteins/label-map.ts";
import { InMemoryPerTokenValueDataset } from "../../../src/proteins/per-token-dataset.ts";
import {
  InMemoryProteinDataset,
  type ProteinDataset,
} from "../../../src/proteins/protein-dataset.ts";
import { InMemorySingleValueDataset } from "../../../src/proteins/single-value-dataset.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

const FOLDER = "fixtures/finetune";
interface Golden {
  readonly labels?: readonly string[];
  readonly items: readonly { text: number[]; labels: number[]; loss_mask: number[] }[];
}
const golden = JSON.parse(fs.readFileSync(`${FOLDER}/expected.json`, "utf8")) as Record<
  string,
  Golden
>;

function check(dataset: ProteinDataset<Int32Array | Float32Array>, name: string): void {
  const { items } = golden[name] as Golden;
  expect(dataset.length).toBe(items.length);
  for (const [i, item] of items.entries()) {
    const { text, labels, lossMask, types, attentionMask, isRandom } = dataset.at(i);
    expect({ text: [...text], labels: [...labels], loss_mask: [...lossMask] }).toEqual(item);
    expect([...attentionMask]).toEqual(item.text.map(() => 1));
    expect([...types, ...isRandom].every((zero) => zero === 0)).toBe(true);
    expect([types.length, isRandom.length]).toEqual([item.text.length, item.text.length]);
  }
}

test("one number a protein, as the original reads it from CSV", async () => {
  check(await InMemorySingleValueDataset.fromFile(`${FOLDER}/regression.csv`), "regression.csv");
});

test.each([
  ["numbers.csv", "classes"],
  ["names.csv", "labels"],
  ["truths.csv", "labels"],
])("classes of %s have the original's ids", async (name, labelColumn) => {
  const dataset = await InMemorySingleValueDataset.fromFile(`${FOLDER}/${name}`, {
    taskType: "classification",
    labelColumn,
  });
  expect(dataset.labelMap?.labels.map(String)).toEqual(golden[name]?.labels);
  check(dataset, name);
});

test("sequences alone have their tokens as labels", async () => {
  check(await InMemoryProteinDataset.fromFile(`${FOLDER}/names.csv`), "sequences");
});

test.each([
  ["residues.csv", {}],
  ["residues.csv, masked", { labelsMaskColumn: "resolved" }],
])("one class a residue: %s", async (name, options) => {
  const dataset = await InMemoryPerTokenValueDataset.fromFile(`${FOLDER}/residues.csv`, options);
  expect(dataset.labelMap.labels).toEqual(golden[name]?.labels);
  check(dataset, name);
});

test("parquet with lists of labels gives the items of the CSV with strings", async () => {
  const dataset = await InMemoryPerTokenValueDataset.fromFile(`${FOLDER}/residues.parquet`, {
    labelsMaskColumn: "resolved",
    weightColumn: "weight",
  });
  check(dataset, "residues.csv, masked");
  expect(dataset.weights?.[9]).toBe(2.25);
});

test("the label map of the training data serves others; an unknown label is named", async () => {
  const labelMap = new LabelMap(["ER", "Nucleus", "Golgi"]);
  expect(JSON.stringify(labelMap)).toBe('{"ER":0,"Nucleus":1,"Golgi":2}');
  const classification = { taskType: "classification", labelMap } as const;
  const dataset = new InMemorySingleValueDataset(
    ["AC", "DE"],
    ["Golgi", "Lysosome"],
    classification,
  );
  expect([...dataset.at(0).labels]).toEqual([2]);
  expect(() => dataset.at(1)).toThrow("Do not recognize token: Lysosome");
});

test("validation data take the ids of the training data, or name the row that cannot", async () => {
  const file = write("a.csv", "sequence,labels\nAC,b\nDE,c\n");
  const classes = await InMemorySingleValueDataset.fromFile(file, { taskType: "classification" });
  const training = new LabelMap(["a", "b", "c"]);
  expect([...classes.withLabelMap(training).at(1).labels]).toEqual([2]);
  const other = new LabelMap(["a", "b"]);
  expect(() => classes.withLabelMap(other)).toThrow(`${file}, line 3: Do not recognize token: c`);
  const residues = new InMemoryPerTokenValueDataset(["AC"], ["bc"], { labelsMask: ["01"] });
  const mapped = residues.withLabelMap(training).at(0);
  expect([[...mapped.labels], [...mapped.lossMask]]).toEqual([
    [-100, 1, 2, -100],
    [0, 0, 1, 0],
  ]);
  expect(() => residues.withLabelMap(other)).toThrow("protein 0: Do not recognize token: c");
});

test("lists of labels of JSON lines are classes of residues", async () => {
  const file = write("a.jsonl", [
    { sequence: "ACD", labels: ["coil", "helix", "coil"], weight: 2 },
    { sequence: "W", labels: ["strand"], weight: 0.5 },
  ]);
  const dataset = await InMemoryPerTokenValueDataset.fromFile(file, { weightColumn: "weight" });
  expect(dataset.labelMap.labels).toEqual(["coil", "helix", "strand"]);
  expect([...dataset.at(0).labels]).toEqual([-100, 0, 1, 0, -100]);
  expect(dataset.weights).toEqual(Float64Array.of(2, 0.5));
});

test("data that differ have other identities", () => {
  const of = (labels: string[]) =>
    new InMemorySingleValueDataset(["AC", "DE"], labels, { taskType: "classification" }).identity;
  expect(of(["a", "b"])).toBe(of(["a", "b"]));
  expect(of(["a", "b"])).not.toBe(of(["b", "a"]));
});

function write(name: string, rows: readonly object[] | string): string {
  const file = path.join(temporaryDirectory(), name);
  const text = typeof rows === "string" ? rows : rows.map((row) => JSON.stringify(row)).join("\n");
  fs.writeFileSync(file, text);
  return file;
}

test.each([
  ["sequences,labels\nAC,1\n,2\n", "bad-row", 'line 3, column "sequences": has no value'],
  ["sequences,labels\nAC,1\nDE,\n", "bad-row", 'line 3, column "labels": has no value'],
  ["sequences,labels\nAC,1\nDE,high\n", "bad-row", "line 3: expected a finite number"],
  ["sequences,labels\nAC,1\nDE,nan\n", "bad-row", "line 3: expected a finite number"],
  ["sequences,label\nAC,1\n", "no-such-column", 'no column "labels" (there is: sequences, label)'],
  ["seq,labels\nAC,1\n", "no-such-column", "a 'sequences' or 'sequence' column"],
])("a bad table of numbers: %j", async (text, code, message) => {
  await expect(InMemorySingleValueDataset.fromFile(write("a.csv", text))).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
});

test("labels that do not fit their residues are named by line", async () => {
  const file = write("a.csv", "sequences,labels,mask\nACD,CHE,101\nACD,CH,101\nACD,CHE,1\n");
  const options = { labelsMaskColumn: "mask" };
  const dataset = await InMemoryPerTokenValueDataset.fromFile(file, options);
  expect([...dataset.at(0).lossMask]).toEqual([0, 1, 0, 1, 0]);
  expect(() => dataset.at(1)).toThrow(`${file}, line 3: 2 labels for a protein of 3 tokens`);
  expect(() => dataset.at(2)).toThrow("line 4: a labels mask of 1 characters");
  const bad = write("b.csv", "sequences,labels,mask\nACD,CHE,1x1\n");
  await expect(InMemoryPerTokenValueDataset.fromFile(bad, options)).rejects.toThrow(
    'line 2, column "mask": expected a string of 0 and 1, found "1x1"',
  );
});

test.each(["-1", "heavy", "inf"])("a weight of %s is refused by line", async (weight) => {
  const file = write("a.csv", `sequence,weight\nAC,1\nDE,${weight}\n`);
  await expect(InMemoryProteinDataset.fromFile(file, { weightColumn: "weight" })).rejects.toThrow(
    'line 3, column "weight": expected a finite weight of at least 0',
  );
});

test("lists of other lengths, other tasks and indexes outside are refused", () => {
  const single = (labels: number[], options = {}) =>
    new InMemorySingleValueDataset(["AC", "DE"], labels, options);
  expect(() => single([1])).toThrow("there are 1 labels for 2 sequences");
  expect(() => single([1, 2], { weights: [1] })).toThrow("there are 1 weights for 2 sequences");
  expect(() => single([1, 2], { taskType: "ranking" })).toThrow("ranking task type");
  expect(() => single([1, 2]).at(2)).toThrow("there is no protein 2");
});
