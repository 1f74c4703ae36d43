import { IncompatibleError } from "../../../formats/common/errors.ts";
import { SafetensorsCheckpoint } from "../../../formats/safetensors/shards.ts";
import type { ParameterSpec, TrainableModel } from "../model.ts";
import { companionNames, readCompanions } from "./companions.ts";
import { copyRows, type VocabularyRows } from "./vocabulary-rows.ts";
import { PLAIN_NOTES, type WeightNotes } from "./weight-notes.ts";
import type { WeightReport } from "./weight-report.ts";

export interface LoadWeightsOptions {
  /**
   * Parameters and tensors whose names begin so are left alone: the parameters keep their initial
   * values. Default: none.
   */
  readonly skipPrefixes?: readonly string[];
  /** Beginnings of names in the file and what stands for them in the model. Default: none. */
  readonly renamePrefixes?: Readonly<Record<string, string>>;
  /**
   * What to do where the model's vocabulary is another than the file's. "same": refuse. "common":
   * keep the rows that both have. An array has the row of the file for every token of the model, -1
   * for one that the file has not. Default: "same".
   */
  readonly vocabulary?: VocabularyRows;
  /** Allows parameters that the file has not; they keep their initial values. Default: false. */
  readonly partial?: boolean;
}

export interface LoadedWeights {
  /** Of the parameters that matched, by name; yours. */
  readonly values: ReadonlyMap<string, Float32Array>;
  /**
   * Tensors that no program here computes with and that files keep for others, by name: the contact
   * head of ESM-2. Given to a trainer or to `saveWeights` with `values`, they are written again.
   */
  readonly companions: ReadonlyMap<string, Float32Array>;
  readonly report: WeightReport;
}

/**
 * Reads weights of a model from a safetensors file, an index of several, or a folder with them, as
 * transformers or this package wrote it. Halves and doubles become float32.
 *
 * @param initial values of the parameters before: where the file has no value, they stay
 * @throws IncompatibleError for another shape, parameters the file lacks (unless `partial`), a file
 *   of another model; NotFoundError, FormatError, StorageError for the file itself
 */
export function loadWeights(
  model: Pick<TrainableModel<never>, "name" | "parameters" | "weightNotes">,
  path: string,
  initial: (spec: ParameterSpec) => Float32Array,
  options: LoadWeightsOptions = {},
): LoadedWeights {
  using file = SafetensorsCheckpoint.open(path);
  const plan = planOf(model, file, options);
  const values = new Map<string, Float32Array>();
  const matched: WeightReport["matched"][number][] = [];
  for (const { spec, tensor } of plan.matches) {
    const { data, note } = valuesOf(spec, tensor, file, initial, plan.notes, options);
    values.set(spec.name, data);
    const match = { parameter: spec.name, tensor };
    matched.push(note === undefined ? match : { ...match, note });
  }
  for (const [tensor, parameter] of plan.copies) assertTied(file, tensor, parameter, values);
  const { initial: kept, unused } = plan;
  const companions = readCompanions(model, file, plan.companionName);
  return { values, companions, report: { path: file.path, matched, initial: kept, unused } };
}

interface LoadPlan {
  readonly notes: WeightNotes;
  readonly matches: readonly { readonly spec: ParameterSpec; readonly tensor: string }[];
  /** Tensors that must equal a parameter. */
  readonly copies: readonly (readonly [tensor: string, parameter: string])[];
  readonly initial: WeightReport["initial"];
  readonly unused: WeightReport["unused"];
  /** What a tensor of the file is called; null for one that is skipped. */
  readonly companionName: (tensor: string) => string | null;
}

function planOf(
  model: Pick<TrainableModel<never>, "name" | "parameters" | "weightNotes">,
  file: SafetensorsCheckpoint,
  options: LoadWeightsOptions,
): LoadPlan {
  const notes = model.weightNotes ?? PLAIN_NOTES;
  const { skipPrefixes = [], partial = false } = options;
  const isSkipped = (name: string) => skipPrefixes.some((prefix) => name.startsWith(prefix));
  const specs = new Map(model.parameters.map((spec) => [spec.name, spec]));
  const companions = new Set(companionNames(model));
  const nameOf = (tensor: string, among: Pick<ReadonlySet<string>, "has">) =>
    parameterName(tensor, among, notes, options.renamePrefixes ?? {});
  const found = new Map<string, string>();
  const copies: [string, string][] = [];
  const unused: WeightReport["unused"][number][] = [];
  for (const tensor of file.names) {
    const name = nameOf(tensor, specs);
    const twin = notes.tied[name];
    if (isSkipped(tensor) || isSkipped(name)) unused.push({ tensor, reason: "skipped" });
    else if (twin !== undefined && specs.has(twin)) copies.push([tensor, twin]);
    else if (specs.has(name)) found.set(name, tensor);
    else unused.push({ tensor, reason: reasonFor(name, model.name, notes) });
  }
  for (const [tensor, twin] of copies)
    if (!found.has(twin) && !isSkipped(twin)) found.set(twin, tensor);
  const matches = [...found].map(([name, tensor]) => ({
    spec: specs.get(name) as ParameterSpec, // proof: only names of `specs` were found
    tensor,
  }));
  const initial = [...specs.keys()]
    .filter((name) => !found.has(name))
    .map((parameter) => ({
      parameter,
      reason: isSkipped(parameter) ? "skipped" : "not in the file",
    }));
  const missing = initial.filter(({ reason }) => reason !== "skipped");
  if (matches.length === 0 || (missing.length > 0 && !partial)) {
    throw lacking(
      file,
      model,
      missing.map(({ parameter }) => parameter),
      matches.length,
    );
  }
  return {
    ...{ notes, matches, initial, unused },
    copies: copies.filter(([, twin]) => found.has(twin)),
    companionName: (tensor) => {
      const name = nameOf(tensor, companions);
      return isSkipped(tensor) || isSkipped(name) ? null : name;
    },
  };
}

/** What a tensor is called in the model. */
function parameterName(
  tensor: string,
  specs: Pick<ReadonlySet<string>, "has">,
  notes: WeightNotes,
  prefixes: Readonly<Record<string, string>>,
): string {
  let name = tensor;
  for (const [from, to] of Object.entries(prefixes)) {
    if (!name.startsWith(from)) continue;
    name = to + name.slice(from.length);
    break;
  }
  for (const [pattern, replacement] of notes.renames) name = name.replace(pattern, replacement);
  return !specs.has(name) && specs.has(notes.trunkPrefix + name) ? notes.trunkPrefix + name : name;
}

function reasonFor(name: string, model: string, notes: WeightNotes): string {
  const known = notes.unused.find(([pattern]) => pattern.test(name));
  return known === undefined ? `not in ${model}` : known[1];
}

function valuesOf(
  spec: ParameterSpec,
  tensor: string,
  file: SafetensorsCheckpoint,
  initial: (spec: ParameterSpec) => Float32Array,
  notes: WeightNotes,
  options: LoadWeightsOptions,
): { readonly data: Float32Array; readonly note?: string } {
  const { shape } = file.fileOf(tensor).entry(tensor);
  const isSame = shape.length === spec.shape.length && shape.every((n, at) => n === spec.shape[at]);
  const { vocabulary = "same" } = options;
  const hasRows = notes.vocabulary.includes(spec.name);
  if (isSame && (!hasRows || !Array.isArray(vocabulary))) return { data: file.readFloat32(tensor) };
  const sameWidth =
    shape.length === spec.shape.length && shape.slice(1).every((n, at) => n === spec.shape[at + 1]);
  if (!hasRows || !sameWidth || vocabulary === "same") throw otherShape(file, tensor, shape, spec);
  const source = { values: file.readFloat32(tensor), rows: shape[0] ?? 0, name: tensor };
  return copyRows(source, { values: initial(spec), rows: spec.shape[0] ?? 0 }, vocabulary);
}

function assertTied(
  file: SafetensorsCheckpoint,
  tensor: string,
  parameter: string,
  values: ReadonlyMap<string, Float32Array>,
): void {
  const kept = values.get(parameter);
  const copy = file.readFloat32(tensor);
  // With another vocabulary the rows were chosen from one of the two.
  if (kept === undefined || copy.length !== kept.length) return;
  const at = copy.findIndex((value, i) => value !== kept[i]);
  if (at === -1) return;
  throw new IncompatibleError(
    "untied",
    `${file.path}: ${tensor} differs from ${parameter} at element ${at}; the model has one matrix for both`,
    { suggestions: [`skip one of them, e.g. skipPrefixes ["${tensor}"]`] },
  );
}

function otherShape(
  file: SafetensorsCheckpoint,
  tensor: string,
  shape: readonly number[],
  { name, shape: wanted }: ParameterSpec,
): IncompatibleError {
  const isRows = shape.slice(1).join() === wanted.slice(1).join() && shape.length === wanted.length;
  return new IncompatibleError(
    "shape-mismatch",
    `${file.path}: ${tensor} is [${shape.join(", ")}], ${name} of the model [${wanted.join(", ")}]`,
    {
      suggestions: [
        isRows
          ? 'for another vocabulary, set vocabulary to "common" or to rows by token'
          : "make the model from the config.json beside the file",
        "or leave it out with skipPrefixes",
      ],
    },
  );
}

function lacking(
  file: SafetensorsCheckpoint,
  model: Pick<TrainableModel<never>, "name">,
  missing: readonly string[],
  matches: number,
): IncompatibleError {
  const names = missing.slice(0, 3).join(", ");
  const more = missing.length > 3 ? ` and ${missing.length - 3} more` : "";
  // EsmForSequenceClassification, EsmForTokenClassification and BERT's.
  const head = file.names.find((name) => name.startsWith("classifier."));
  return new IncompatibleError(
    matches === 0 ? "other-model" : "weights-missing",
    matches === 0
      ? `${file.path}: no tensor is a parameter of ${model.name}, e.g. ${file.names.slice(0, 3).join(", ")}`
      : `${file.path}: lacks ${names}${more} of ${model.name}`,
    {
      suggestions: [
        ...(head === undefined
          ? [
              missing.every((name) => /_head\./.test(name))
                ? "leave --keep-head out: the weights have no such head"
                : "leave sizes and --layout of the model out: those of the weights count",
            ]
          : [
              `its head (${head}) is one of transformers, which is not read: take the network alone ` +
                "(scdl finetune --restore-from-checkpoint-path, scdl infer --include-embeddings)",
            ]),
        "rename with renamePrefixes, leave out with skipPrefixes",
        "or allow missing parameters with partial",
      ],
    },
  );
}
