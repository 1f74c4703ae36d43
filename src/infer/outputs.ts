/** What a model gives out for a row, before it is run: names and shapes. */
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { TrainableModel } from "../models/index.ts";
import { type Program, ProgramBuilder } from "../tensor/index.ts";

/** What prediction needs of a model, whatever its batches are. */
type PredictingModel = Pick<TrainableModel<never>, "name" | "parameters" | "build">;

/** An output of every row. */
export interface OutputSpec {
  readonly name: string;
  readonly dtype: "float32" | "int32";
  /** Whether a row has one for each of its tokens. */
  readonly perToken: boolean;
  /** Shape of what a row, or a token of it, has. */
  readonly shape: readonly number[];
}

/** Outputs in the original's names that the model has another name for. */
const MODEL_NAMES: Readonly<Record<string, string>> = { token_logits: "logits" };
/** The tokens themselves, which no model computes. */
export const INPUT_IDS = "input_ids";

/** The model's name of an output. */
export function modelOutput(name: string): string {
  return MODEL_NAMES[name] ?? name;
}

/** @throws InvalidArgumentError for an output that the model does not have */
export function outputSpecs(
  model: PredictingModel,
  names: readonly string[],
): readonly OutputSpec[] {
  const computed = names.filter((name) => name !== INPUT_IDS);
  // What changes with the length is of tokens.
  const [short, long] = [3, 4].map((length) =>
    predictProgram(model, { batch: 1, length }, computed.map(modelOutput)),
  );
  return names.map((name): OutputSpec => {
    if (name === INPUT_IDS) return { name, dtype: "int32", perToken: true, shape: [] };
    const shape = shapeOf(short, modelOutput(name));
    const perToken = shape[1] !== shapeOf(long, modelOutput(name))[1];
    return { name, dtype: "float32", perToken, shape: shape.slice(perToken ? 2 : 1) };
  });
}

/** A forward pass with these outputs. @throws InvalidArgumentError for one that is not there */
export function predictProgram(
  model: PredictingModel,
  size: { readonly batch: number; readonly length: number },
  names: readonly string[],
): Program {
  const builder = new ProgramBuilder();
  const { outputs } = model.build(builder, size, "predict");
  for (const name of names) {
    const value = outputs[name];
    if (value === undefined) {
      throw new InvalidArgumentError("outputs", name, `${model.name} has no output ${name}`, {
        suggestions: [`choose of ${Object.keys(outputs).join(", ")}`],
      });
    }
    builder.output(name, value);
  }
  return builder.build();
}

/** Parameters that the outputs need: those of a head that is not asked for may be missing. */
export function neededParameters(model: PredictingModel, names: readonly string[]) {
  const program = predictProgram(model, { batch: 1, length: 3 }, names);
  const needed = new Set(program.parameters.map(({ name }) => name));
  return model.parameters.filter(({ name }) => needed.has(name));
}

function shapeOf(program: Program | undefined, name: string): readonly number[] {
  return program?.outputs.find((output) => output.name === name)?.value.shape ?? [];
}
