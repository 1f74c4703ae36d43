import { type PlainNode, type PlainProgram, type Plan, planOf } from "../device/plan.ts";
import type { RunInputs, RunOptions, RunOutputs } from "../executor.ts";
import { elementCount, type HostArray, newHostArray } from "../program.ts";
import type { Late } from "../request-thread.ts";
import type { Arrivals } from "./arrivals.ts";
import { type CudaRandom, masksOfKernels } from "./cuda-random.ts";
import type { Libtorch } from "./libtorch.ts";
import type { LossFactor } from "./loss-scale.ts";
import { type Operands, type Rule, type Rules, Run } from "./rule.ts";
import { ATTENTION_RULES } from "./rules-attention.ts";
import { ELEMENTWISE_RULES } from "./rules-elementwise.ts";
import { MODEL_RULES } from "./rules-model.ts";
import { SHAPE_RULES } from "./rules-shape.ts";
import type { Tensor } from "./tensor.ts";
import type { TensorState } from "./tensor-state.ts";

/** One rule for every operation; the compiler checks that none is missing. */
const RULES: Rules = {
  ...ELEMENTWISE_RULES,
  ...SHAPE_RULES,
  ...MODEL_RULES,
  ...ATTENTION_RULES,
};

export interface RunPrecision {
  /** Dtype of products and attention; null for float32. */
  readonly lowDType: number | null;
  /** Tables that all runs share. */
  readonly lasting: Map<string, Tensor>;
  /** Of a GPU that draws dropout masks in its kernels; null where they have the bits they have everywhere. */
  readonly random: CudaRandom | null;
  /** The loss is multiplied by this, and the gradients divided; null where there is no such thing. */
  readonly lossScale: LossFactor | null;
}

/** A program that runs on libtorch, with its constants on the device. */
export class Runner {
  readonly #torch: Libtorch;
  readonly #program: PlainProgram;
  readonly #plan: Plan;
  readonly #constants: ReadonlyMap<number, Tensor>;
  readonly #arrivals: Arrivals;
  readonly #masks: ReadonlyMap<number, number>;

  constructor(torch: Libtorch, program: PlainProgram, arrivals: Arrivals) {
    this.#torch = torch;
    this.#arrivals = arrivals;
    this.#program = program;
    this.#plan = planOf(program);
    this.#masks = masksOfKernels(program);
    this.#constants = new Map(
      program.constants.map(({ value, data }) => [
        value.id,
        torch.keep(torch.upload(data, value.shape)),
      ]),
    );
    torch.sweep();
  }

  /**
   * Runs it with a state's values and adds the gradients to the state's. Tensors are freed after the
   * last operation that needs them. Nothing is waited for: outputs come when the device has computed them.
   */
  run(
    state: TensorState,
    inputs: RunInputs,
    key: Required<RunOptions>,
    precision: RunPrecision,
  ): RunOutputs | Late<RunOutputs> {
    const torch = this.#torch;
    const { lowDType, lasting, lossScale, random } = precision;
    const drawn = random === null ? null : { generator: random, masks: this.#masks };
    const run = new Run(torch, key, lowDType, lasting, this.#byId(inputs), drawn);
    const inverse = lossScale === null ? null : torch.keep(lossScale.inverse);
    const seedId = this.#program.gradientSeed?.id;
    const values = new Map<number, Tensor>(this.#constants);
    const own = new Set<number>();
    const put = (id: number, tensor: Tensor) => {
      values.set(id, torch.keep(tensor));
      own.add(id);
    };
    const scaleSeed = (id: number) => {
      const seed = values.get(id);
      if (id !== seedId || seed === undefined || lossScale === null) return;
      const scaled = torch.one("mul", seed, lossScale.factor);
      if (own.has(id)) torch.release(seed);
      put(id, scaled);
    };
    const free = (id: number) => {
      if (own.delete(id)) torch.release(values.get(id));
      values.delete(id);
    };
    try {
      for (const { name, value } of this.#program.inputs) {
        put(value.id, this.#input(inputs[name], value.shape));
      }
      for (const { name, value } of this.#program.parameters) {
        values.set(value.id, state.value(name));
      }
      if (seedId !== undefined) scaleSeed(seedId);
      this.#addGiven(values, state, inverse);
      for (const [at, node] of this.#program.nodes.entries()) {
        const outputs = this.#node(node, values, run);
        for (const [place, { id }] of node.outputs.entries()) {
          const output = outputs[place];
          if (output === undefined) continue;
          put(id, output.kept ? torch.another(output) : output);
          scaleSeed(id);
          this.#accumulate(id, values.get(id) ?? output, state, inverse);
        }
        for (const id of this.#plan.freed[at] ?? []) free(id);
        for (const id of this.#plan.forgotten[at] ?? []) run.forget(id);
        torch.sweep();
      }
      return this.#outputs(values, state);
    } finally {
      run.end();
      torch.release(inverse ?? undefined);
      for (const id of own) torch.release(values.get(id));
      for (const constant of this.#constants.values()) {
        torch.release(constant.lowered);
        constant.lowered = undefined;
      }
      torch.sweep();
    }
  }

  get hasGradients(): boolean {
    return this.#program.gradients.length > 0;
  }

  close(): void {
    for (const constant of this.#constants.values()) this.#torch.release(constant);
  }

  #byId(inputs: RunInputs): ReadonlyMap<number, HostArray> {
    return new Map(
      this.#program.inputs.flatMap(({ name, value: { id } }) => {
        const array = inputs[name];
        return array === undefined ? [] : [[id, array] as const];
      }),
    );
  }

  #input(array: HostArray | undefined, shape: readonly number[]): Tensor {
    if (array === undefined) throw new Error("an input was not given");
    return this.#torch.isCuda
      ? this.#torch.stage(array, shape)
      : this.#torch.fromHost(array, shape);
  }

  #node(node: PlainNode, values: ReadonlyMap<number, Tensor>, run: Run): readonly Tensor[] {
    const inputs = node.inputs.map(({ id }) => values.get(id));
    const rule = RULES[node.op] as AnyRule; // proof: the rule of this node's operation
    return rule(node, inputs as unknown as Operands, run); // proof: see Operands
  }

  /** Gradients that are inputs, parameters or constants themselves. */
  #addGiven(values: ReadonlyMap<number, Tensor>, state: TensorState, factor: Tensor | null): void {
    for (const [id, tensor] of values) this.#accumulate(id, tensor, state, factor);
  }

  #accumulate(id: number, tensor: Tensor, state: TensorState, factor: Tensor | null): void {
    for (const name of this.#plan.gradients.get(id) ?? []) {
      state.accumulate(name, tensor, this.#plan.views.has(id), factor);
    }
  }

  #outputs(values: ReadonlyMap<number, Tensor>, state: TensorState): RunOutputs | Late<RunOutputs> {
    const outputs: Record<string, HostArray> = {};
    const copies = this.#program.outputs.map(({ name, value: { id, dtype, shape } }) => {
      const array = newHostArray(dtype, elementCount(shape));
      const tensor = values.get(id);
      if (tensor === undefined) throw new Error(`the output ${name} was not computed`);
      outputs[name] = array;
      const isLoss = this.hasGradients && dtype === "float32" && shape.length === 0;
      if (isLoss) state.guard.ran(name, tensor);
      return this.#torch.takeOut(tensor, array, shape);
    });
    return this.#arrivals.after(() => {
      for (const copy of copies) copy.arrived();
      return outputs;
    });
  }
}

type AnyRule = Rule<PlainNode["op"]>;
