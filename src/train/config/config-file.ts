/** A configuration as YAML: read into dotted keys, and written. */
import { Document, isScalar, parseDocument, Scalar, visit } from "yaml";
import { FormatError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import { readSmallText } from "../../../formats/scdl/small-files.ts";
import type { LimitBatches } from "../../data/infer-samples.ts";
import { isFieldOf, type RunModel } from "./run-kinds.ts";
import type { RunConfig } from "./sections.ts";

const HOW_WRITTEN = ["correct the file: `scdl recipe` writes one to compare with"];

/**
 * The sections of a YAML or JSON file. Whole numbers written with a point (`1.0`) stay texts: as a
 * limit of batches they are shares.
 * @throws NotFoundError, FormatError
 */
export function readConfigFile(path: string): Record<string, unknown> {
  const document = parseDocument(readSmallText(path), { prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line;
    const place = line === undefined ? "" : `line ${line}: `;
    const message = `${place}expected YAML, found ${problem.message.split("\n")[0]}`;
    throw new FormatError("bad-config", message, { path, suggestions: HOW_WRITTEN });
  }
  visit(document, {
    Scalar: (_key, node) => {
      const { source = "", value } = node;
      if (Number.isInteger(value) && source.includes(".")) node.value = source;
    },
  });
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // Aliases without an anchor, and those that would fill the memory.
    throw new FormatError("bad-config", String(error).slice(0, 200), {
      path,
      cause: error,
      suggestions: HOW_WRITTEN,
    });
  }
  if (value === null) return {}; // an empty file
  if (isRecord(value)) return value;
  throw new FormatError("bad-config", "expected sections, e.g. training_config:", {
    path,
    suggestions: HOW_WRITTEN,
  });
}

/** The values of sections by dotted key. @throws InvalidArgumentError for a section that is none */
export function dottedEntries(sections: Readonly<Record<string, unknown>>): [string, unknown][] {
  const entries: [string, unknown][] = [];
  for (const [section, fields] of Object.entries(sections)) {
    if (fields === null) continue;
    if (!isRecord(fields)) {
      throw new InvalidArgumentError(section, fields, `${section}: expected fields below it`);
    }
    for (const [name, field] of Object.entries(fields)) entries.push([`${section}.${name}`, field]);
  }
  return entries;
}

/** The fields of a model by section, for a checkpoint. */
export function runConfigRecord(
  config: RunConfig,
  model: RunModel,
): Record<string, Record<string, unknown>> {
  const sections: Record<string, Record<string, unknown>> = {};
  for (const [key, value] of dottedEntries(config)) {
    if (!isFieldOf(model, key)) continue;
    const [section = "", name = ""] = key.split(".");
    sections[section] ??= {};
    sections[section][name] = value;
  }
  return sections;
}

/**
 * The file that belongs into the run's folder: read again for the same model, it gives the same
 * configuration.
 */
export function runConfigYaml(config: RunConfig, model: RunModel): string {
  const sections = runConfigRecord(config, model);
  const { limit_val_batches: limit, ...training } = sections["training_config"] ?? {};
  const limited = limit === undefined ? {} : { limit_val_batches: limitNode(limit) };
  const training_config = { ...limited, ...training };
  return new Document({ ...sections, training_config }).toString({ lineWidth: 0 });
}

/** What a run keeps of its configuration: in its checkpoints, and as `config.yaml`. */
export function keptConfig(config: RunConfig, model: RunModel) {
  return { value: runConfigRecord(config, model), yaml: runConfigYaml(config, model) };
}

/** `2` for batches, `1.0` for a share, null for all. */
export function limitNode(value: unknown): Scalar | null {
  const limit = value as LimitBatches; // proof: the field has been read as one
  if (limit === null) return null;
  const node = new Scalar("batches" in limit ? limit.batches : limit.share);
  if ("share" in limit && Number.isInteger(limit.share)) node.minFractionDigits = 1;
  return node;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isScalar(value);
}
