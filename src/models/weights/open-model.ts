import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  FormatError,
  fromFsError,
  UnsupportedFeatureError,
} from "../../../formats/common/errors.ts";
import type { Label } from "../../proteins/label-map.ts";
import { ConfigReader } from "../config-reader.ts";
import { Esm2 } from "../esm2/esm2.ts";
import { esm2FromHuggingFace } from "../esm2/hugging-face.ts";
import { geneformerFromJson } from "../geneformer/config-json.ts";
import { Geneformer } from "../geneformer/geneformer.ts";
import { SequenceModel } from "../heads/sequence-model.ts";
import { TokenModel } from "../heads/token-model.ts";
import { CONFIG_FILE } from "./config-text.ts";

/**
 * The model of a folder with `config.json`, or of a file of weights beside one, of transformers or of this
 * package; its weights are read with `loadWeights`.
 * @throws NotFoundError, StorageError, FormatError, UnsupportedFeatureError for another kind of model
 */
export function openModel(directory: string): Esm2 | Geneformer | SequenceModel | TokenModel {
  const path = configBeside(directory);
  const json = readModelConfig(path);
  const type = json["model_type"];
  if (!isFineTuned(json)) return backboneOf(json, path);
  const backbone = backboneOf(objectOf(json["backbone"], path), path);
  const read = new ConfigReader(json, path);
  const common = {
    headSize: read.whole("headSize", type === "scdl-token" ? 32 : 256),
    dropout: read.number("dropout", 0.25),
    encoderFrozen: read.flag("encoderFrozen", true),
    labels: labelsOf(json["labels"], path),
  };
  if (type === "scdl-token") {
    return new TokenModel(backbone, { ...common, classes: read.whole("classes", 3) });
  }
  const task = read.text("task", "regression");
  if (task !== "regression" && task !== "classification") {
    throw new FormatError(
      "bad-config",
      `task: expected regression or classification, found ${task}`,
      {
        path,
      },
    );
  }
  const targetSize = read.whole("targetSize", 1);
  const labelMean = read.number("labelMean", 0);
  return new SequenceModel(backbone, { ...common, task, targetSize, labelMean });
}

/** As {@link openModel}: a masked language model, or the one below a head. @throws as it does */
export function openBackbone(directory: string): Esm2 | Geneformer {
  const path = configBeside(directory);
  const json = readModelConfig(path);
  return backboneOf(isFineTuned(json) ? objectOf(json["backbone"], path) : json, path);
}

/** In the folder, or beside a file of weights. */
function configBeside(path: string): string {
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  return join(isFile ? dirname(path) : path, CONFIG_FILE);
}

function isFineTuned(json: Readonly<Record<string, unknown>>): boolean {
  return json["model_type"] === "scdl-sequence" || json["model_type"] === "scdl-token";
}

function labelsOf(value: unknown, path: string): readonly Label[] | null {
  if (value === undefined || value === null) return null;
  const isLabel = (label: unknown): label is Label => {
    return typeof label === "string" || typeof label === "number";
  };
  if (Array.isArray(value) && value.every(isLabel)) return value;
  throw new FormatError("bad-config", "labels: expected a list of text or numbers", { path });
}

function backboneOf(json: Readonly<Record<string, unknown>>, path: string): Esm2 | Geneformer {
  switch (json["model_type"]) {
    case "esm":
      return new Esm2(esm2FromHuggingFace(json, path));
    case "bert":
    case "bionemo-geneformer":
      return new Geneformer(geneformerFromJson(json, path));
    default:
      throw new UnsupportedFeatureError(
        "model",
        `${path}: model_type ${JSON.stringify(json["model_type"])}: expected esm, bert or bionemo-geneformer`,
      );
  }
}

/** The object of a `config.json`. @throws NotFoundError, StorageError, FormatError */
export function readModelConfig(path: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw fromFsError(error, path);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new FormatError("bad-config", "expected JSON", { path, cause });
  }
  return objectOf(json, path);
}

function objectOf(json: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) {
    return json as Readonly<Record<string, unknown>>; // proof: an object of JSON
  }
  throw new FormatError("bad-config", "expected a JSON object", { path });
}
