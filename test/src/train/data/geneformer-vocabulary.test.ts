import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FormatError } from "../../../../formats/common/errors.ts";
import { SafetensorsFile } from "../../../../formats/safetensors/safetensors-file.ts";
import { decodeVocabularyRecord } from "../../../../formats/tokens/vocabulary-record.ts";
import { writeGeneMedians } from "../../../../src/gene-tokens/gene-medians.ts";
import { GeneTokenizer } from "../../../../src/gene-tokens/gene-tokenizer.ts";
import { GeneVocabulary } from "../../../../src/gene-tokens/gene-vocabulary.ts";
import { CellTokenizer, tokenizeToDisk } from "../../../../src/gene-tokens/index.ts";
import { modelOfVocabulary } from "../../../../src/gene-tokens/token-cells.ts";
import { inferGeneformer } from "../../../../src/infer/index.ts";
import { findWeights } from "../../../../src/train/checkpoints/training-weights.ts";
import { requireVocabularyOfWeights } from "../../../../src/train/data/weights-vocabulary.ts";
import {
  finetuneGeneformer,
  type TrainGeneformerOptions,
  trainGeneformer,
} from "../../../../src/train/index.ts";
import { cellsOfKinds } from "./cells.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-geneformer-vocabulary-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const [dataDir, other, vocab, medians] = ["cells", "others", "own.vocab", "two.json"].map(at) as [
  string,
  string,
  string,
  string,
];
const GENES = Array.from({ length: 30 }, (_, i) => `ENSG${i}`);
/** The same genes, the first two the other way round. */
const SWAPPED = ["ENSG1", "ENSG0", ...GENES.slice(2)];
const mediansOf = (genes: readonly string[], median = 1) =>
  new Map(genes.map((gene) => [gene, median]));

const model = {
  layers: 1,
  hiddenSize: 16,
  heads: 2,
  intermediateSize: 32,
  layout: "bert",
} as const;
const begin: TrainGeneformerOptions = {
  ...{ dataDir, resultDir: folder, seqLength: 12, numSteps: 2, threads: 1 },
  executor: "reference",
};
const { dataDir: _, ...withoutData } = begin;
const run = at("geneformer");
const restore = { restoreFromCheckpointPath: run, experimentName: "restored" };
const finetune = { ...begin, ...restore, label: "kind", experimentName: "tuned" };
const infer = { checkpointPath: run, dataDir: join(dataDir, "val"), threads: 1, overwrite: true };
const DIFFERS = /ENSG0 is token 5 of the checkpoint, token 6 of the vocabulary given/;

beforeAll(async () => {
  await cellsOfKinds(dataDir);
  await cellsOfKinds(other);
  rmSync(join(other, "train", "medians.json"));
  writeGeneMedians(join(other, "train", "medians.json"), mediansOf(SWAPPED));
  writeGeneMedians(medians, mediansOf(GENES, 2));
  GeneTokenizer.fromMediansAndGenes(mediansOf(SWAPPED)).saveVocab(vocab);
  await trainGeneformer({ ...begin, model });
});

test("a run goes on with its own genes and medians", async () => {
  const on = { ...begin, model, numSteps: 3, resumeIfExists: true };
  const refused = (more: Partial<TrainGeneformerOptions>) =>
    expect(trainGeneformer({ ...on, ...more })).rejects;
  await refused({ vocab }).toMatchObject({
    code: "vocabulary",
    message: expect.stringMatching(DIFFERS),
    suggestions: expect.arrayContaining([expect.stringContaining("--vocab")]),
  });
  await refused({ dataDir: other }).toThrow(DIFFERS);
  await refused({ medians }).toMatchObject({
    code: "medians",
    message: expect.stringContaining("the median of ENSG0 is 1 in the checkpoint, 2 here"),
  });
  expect((await trainGeneformer(on)).step).toBe(3);
});

test("restored weights are trained with their own genes, whatever the data have beside them", async () => {
  const refused = (more: Partial<TrainGeneformerOptions>) =>
    expect(trainGeneformer({ ...begin, ...restore, ...more })).rejects;
  await refused({ vocab }).toThrow(DIFFERS);
  await refused({ medians: "auto" }).toThrow("used with those it was trained with");
  const restored = await trainGeneformer({ ...begin, ...restore, dataDir: other });
  const own = readFileSync(join(restored.checkpoint ?? "", "geneformer.vocab"), "utf8");
  expect(own).toContain('"ENSG0": 5');
  const warnings: string[] = [];
  const named = {
    medians,
    experimentName: "named",
    onWarning: (text: string) => warnings.push(text),
  };
  await trainGeneformer({ ...begin, ...restore, ...named });
  expect(warnings).toEqual([expect.stringContaining("trained with other medians")]);

  const tokens = async (genes: readonly string[], output: string) => {
    const { vocabulary } = GeneTokenizer.fromMediansAndGenes(mediansOf(genes));
    const ranks = {
      vocabulary,
      medians: mediansOf(genes),
      encoding: "bionemo",
      eos: false,
    } as const;
    await tokenizeToDisk([join(dataDir, "val")], new CellTokenizer(ranks), { output });
    return trainGeneformer({ ...withoutData, ...restore, data: output, experimentName: "tokens" });
  };
  await expect(tokens(SWAPPED, at("swapped"))).rejects.toMatchObject({ code: "vocabulary" });
  expect((await tokens(GENES, at("tokens"))).step).toBe(2);
});

test("weights without medians, as transformers writes, do not lead to those of the data", async () => {
  rmSync(join(other, "train", "medians.json"));
  const weights = findWeights(run);
  mkdirSync(at("plain"));
  for (const name of ["config.json", "model.safetensors"]) {
    copyFileSync(join(weights, name), join(folder, "plain", name));
  }
  const plain = { ...begin, dataDir: other, restoreFromCheckpointPath: at("plain") };
  const refused = trainGeneformer({ ...plain, experimentName: "of-plain" });
  await expect(refused).rejects.toMatchObject({
    code: "no-medians",
    suggestions: ["name the medians that the model was trained with: --medians"],
  });
});

/** The weights alone as transformers has them, with another `config.json`. */
function plainWeights(name: string, config: Readonly<Record<string, unknown>> = {}): string {
  const weights = findWeights(run);
  mkdirSync(at(name));
  copyFileSync(join(weights, "model.safetensors"), join(at(name), "model.safetensors"));
  const own: object = JSON.parse(readFileSync(join(weights, "config.json"), "utf8"));
  writeFileSync(join(at(name), "config.json"), JSON.stringify({ ...own, ...config }));
  return at(name);
}

/** Tokens of the validation cells in the authors' vocabulary: pad 0, mask 1, cls 2, eos 3. */
async function tokensOfAuthors(output: string): Promise<string> {
  const special = ["<pad>", "<mask>", "<cls>", "<eos>"];
  const ids = new Map([...special, ...GENES].map((token, id) => [token, id] as const));
  const vocabulary = new GeneVocabulary(ids, "V2");
  const ranks = new CellTokenizer({ vocabulary, medians: mediansOf(GENES) });
  await tokenizeToDisk([join(dataDir, "val")], ranks, { output });
  return output;
}

test("weights of the authors' vocabulary are refused with BioNeMo's, and the other way round", async () => {
  const dictionaries = { vocab: at("genes.vocab"), medians: at("one.json") };
  GeneTokenizer.fromMediansAndGenes(mediansOf(GENES)).saveVocab(dictionaries.vocab);
  writeGeneMedians(dictionaries.medians, mediansOf(GENES));
  const hub = plainWeights("hub", { pad_token_id: 0 });
  const both = {
    code: "vocabulary",
    message: expect.stringMatching(
      /pad with token 0 .*bionemo with 35 tokens, pad 2, mask 1, cls 0/,
    ),
    suggestions: expect.arrayContaining([expect.stringContaining("scdl tokenize-cells")]),
  };
  const named = { ...dictionaries, resultsPath: at("of-hub"), experimentName: "of-hub" };
  const of = { ...named, restoreFromCheckpointPath: hub };
  await expect(trainGeneformer({ ...begin, ...of })).rejects.toMatchObject(both);
  await expect(finetuneGeneformer({ ...finetune, ...of })).rejects.toMatchObject(both);
  const inferred = inferGeneformer({ ...infer, ...named, checkpointPath: hub });
  await expect(inferred).rejects.toMatchObject(both);
  await expect(trainGeneformer({ ...begin, ...of, medians: "auto" })).rejects.toThrow(
    "medians auto",
  );
  // An embedding that is new knows no genes.
  const skipKeysWithThesePrefixes = ["bert.embeddings.word_embeddings", "cls."];
  const anew = await trainGeneformer({ ...begin, ...of, skipKeysWithThesePrefixes });
  const config = readFileSync(join(anew.checkpoint ?? "", "config.json"), "utf8");
  expect(JSON.parse(config)).toMatchObject({ pad_token_id: 2 });

  const tokens = await tokensOfAuthors(at("authors"));
  const mine = plainWeights("mine");
  const theirs = { ...infer, dataDir: tokens, resultsPath: at("of-mine") };
  const other = {
    code: "vocabulary",
    message: expect.stringMatching(/ 2 .*V2 with 34 tokens, pad 0/),
  };
  await expect(inferGeneformer({ ...theirs, checkpointPath: mine })).rejects.toMatchObject(other);
  const heard: string[] = [];
  const fitting = { checkpointPath: hub, onWarning: (text: string) => heard.push(text) };
  await inferGeneformer({ ...theirs, ...fitting });
  expect(heard).toEqual([]);
});

test("what a dictionary or the number of tokens says of weights is compared", async () => {
  const tokens = await tokensOfAuthors(at("more-authors"));
  const hub = plainWeights("sized", { pad_token_id: 0 });
  const heard: string[] = [];
  const theirs = {
    ...{ ...infer, dataDir: tokens, resultsPath: at("of-sized"), checkpointPath: hub },
    onWarning: (text: string) => heard.push(text),
  };
  const dictionary = join(hub, "token_dictionary_gc1.json");
  const special = { "<pad>": 0, "<mask>": 1, "<cls>": 2, "<eos>": 3 };
  const genes = (names: readonly string[]) =>
    Object.fromEntries(names.map((name, id) => [name, id + 4]));
  writeFileSync(dictionary, JSON.stringify({ ...special, ...genes(SWAPPED) }));
  await expect(inferGeneformer(theirs)).rejects.toMatchObject({
    code: "vocabulary",
    message: expect.stringContaining("token_dictionary_gc1.json: the weights are of V2"),
  });
  writeFileSync(dictionary, JSON.stringify({ ...special, ...genes(GENES) }));
  await inferGeneformer(theirs);
  expect(heard).toEqual([]);
  const { vocabulary } = GeneTokenizer.fromMediansAndGenes(mediansOf(GENES));
  const used = { ...modelOfVocabulary(vocabulary), padId: 0, vocabularySize: 35 };
  const settings = { layout: "bert", padId: 0, vocabSize: 1000 } as const;
  const weights = { path: at("nowhere"), settings };
  await requireVocabularyOfWeights(weights, used, theirs.onWarning);
  const ours = { ...settings, layout: "bionemo", padId: 7 } as const;
  await requireVocabularyOfWeights({ ...weights, settings: ours }, used, theirs.onWarning);
  expect(heard).toEqual([
    expect.stringContaining("the weights have 1000 tokens, the cells are of bionemo with 35"),
    expect.stringContaining("pad with token 7"),
  ]);
});

test("a run on tokens alone records their vocabulary, and nothing else goes on with it", async () => {
  const data = await tokensOfAuthors(at("recorded"));
  const { checkpoint } = await trainGeneformer({
    ...withoutData,
    model,
    data,
    experimentName: "v2",
  });
  const path = join(checkpoint ?? "", "vocabulary.json");
  const text = readFileSync(path, "utf8");
  const record = decodeVocabularyRecord(text, path);
  expect(record).toMatchObject({ name: "V2", vocabularySize: 34, padId: 0, clsId: 2, eosId: 3 });
  const onward = { ...finetune, restoreFromCheckpointPath: checkpoint ?? "", vocab, medians };
  await expect(finetuneGeneformer(onward)).rejects.toMatchObject({
    code: "vocabulary",
    message: expect.stringMatching(/of V2 with 34 tokens.*of bionemo with 35 tokens/),
  });
  for (const field of Object.keys(record)) {
    const broken = text.replace(`"${field}"`, `"other"`);
    expect(() => decodeVocabularyRecord(broken, path), field).toThrow(FormatError);
  }
  for (let end = 0; end < text.length - 2; end++) {
    expect(() => decodeVocabularyRecord(text.slice(0, end), path)).toThrow(FormatError);
  }
});

test("finetune and infer refuse another vocabulary and say where cells are cut", async () => {
  const resultsPath = at("embeddings");
  await expect(finetuneGeneformer({ ...finetune, vocab })).rejects.toThrow(DIFFERS);
  await expect(inferGeneformer({ ...infer, resultsPath, vocab })).rejects.toThrow(DIFFERS);
  const warnings: string[] = [];
  const onWarning = (text: string) => warnings.push(text);
  const long = { seqLength: 128, onWarning };
  const tuned = await finetuneGeneformer({ ...finetune, ...long });
  expect(readFileSync(join(tuned.directory, "config.yaml"), "utf8")).toContain("seq_length: 12\n");
  // The length that is usual, asked for.
  await inferGeneformer({ ...infer, onWarning, seqLength: 2048, resultsPath });
  const cut = expect.stringContaining("has 12 positions, cells are cut to 12");
  expect(warnings).toEqual([cut, cut]);
  await inferGeneformer({ ...infer, onWarning, resultsPath });
  expect(warnings.length).toBe(2);
  expect(readFileSync(join(resultsPath, "predictions.yaml"), "utf8")).toContain("seq_length: 12\n");
});

test("rows longer than the restored model are refused before data are looked at", async () => {
  const nowhere = {
    ...withoutData,
    ...restore,
    data: at("nowhere"),
    experimentName: "long",
    seqLength: 128,
  };
  await expect(trainGeneformer(nowhere)).rejects.toMatchObject({
    message: expect.stringContaining("has 12 positions"),
    suggestions: ["--seq-length 12"],
  });
});

test("a model of cells that begin with [CLS] leaves it out of the mean, in either layout", async () => {
  const resultsPath = at("means");
  const outputs = ["embeddings", "hidden_states", "input_ids"] as const;
  const { path } = await inferGeneformer({ ...infer, resultsPath, outputs });
  using file = SafetensorsFile.open(path);
  const [embeddings, hidden] = ["embeddings", "hidden_states"].map((name) =>
    file.readFloat32(name),
  );
  expect(file.read("input_ids").data[0]).toBe(0); // [CLS]
  // 11 tokens; the first and the last do not count.
  const mean = Array.from({ length: 16 }, (_, i) => {
    const of = Array.from(
      { length: 9 },
      (_, token) => hidden?.[(token + 1) * 16 + i] ?? Number.NaN,
    );
    return of.reduce((a, b) => a + b) / 9;
  });
  for (const [i, value] of mean.entries()) expect(embeddings?.[i]).toBeCloseTo(value, 5);
});
