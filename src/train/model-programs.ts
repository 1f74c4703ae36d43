import { type BatchSize, type BuildMode, sizeKey, type TrainableModel } from "../models/model.ts";
import { addGradients, type NamedValue, type Program, ProgramBuilder } from "../tensor/index.ts";

/** float32 []: what the gradient of the summed loss is multiplied by, 1 / count of the step. */
export const GRADIENT_SEED = "gradient_seed";
/** The output that the summed loss is. */
export const LOSS = "loss";
/** Outputs of "validate" that are kept row by row, of a model that gives `ranked`. */
export const RANKED = { predicted: "ranked_predicted", labels: "ranked_labels" } as const;
/** Programs kept; an executor keeps fewer of them compiled. */
const KEPT = 64;

/** "forward": as "train" without gradients, to measure them by. */
export type ProgramMode = BuildMode | "forward";

/** The programs of a model, one for each size of batch and mode, built when first asked for. */
export class ModelPrograms<B> {
  readonly #model: TrainableModel<B>;
  readonly #programs = new Map<string, Program>();

  constructor(model: TrainableModel<B>) {
    this.#model = model;
  }

  /** With outputs `loss`, those of the model and {@link RANKED}; "train" with gradients and {@link GRADIENT_SEED}. */
  get(size: BatchSize, mode: ProgramMode): Program {
    const key = `${mode} ${sizeKey(size)}`;
    const program = this.#programs.get(key) ?? buildProgram(this.#model, size, mode);
    this.#programs.delete(key);
    this.#programs.set(key, program);
    for (const oldest of this.#programs.keys()) {
      if (this.#programs.size <= KEPT) break;
      this.#programs.delete(oldest);
    }
    return program;
  }
}

function buildProgram<B>(model: TrainableModel<B>, size: BatchSize, mode: ProgramMode): Program {
  const builder = new ProgramBuilder();
  const built = model.build(builder, size, mode === "forward" ? "train" : mode);
  const { loss, outputs, ranked } = built;
  for (const [name, value] of Object.entries(outputs)) builder.output(name, value);
  if (loss !== null) builder.output(LOSS, loss);
  if (mode === "validate" && ranked !== undefined) {
    builder.output(RANKED.predicted, ranked.predicted);
    builder.output(RANKED.labels, ranked.labels);
  }
  if (mode === "train" && loss !== null) {
    const seed = builder.input(GRADIENT_SEED, "float32", []);
    const trained = model.parameters.filter(({ name, trained }) => {
      return trained && builder.parameters.has(name);
    });
    addGradients(builder, loss, { parameters: trained.map(({ name }) => name), seed });
  }
  return builder.build();
}

/** The parameters of a model as an executor takes them. */
export function parameterValues(
  model: Pick<TrainableModel<never>, "parameters">,
): readonly NamedValue[] {
  const builder = new ProgramBuilder();
  return model.parameters.map(({ name, shape }) => ({
    name,
    value: builder.parameter(name, shape),
  }));
}
