import { type PlainNode, type PlainProgram, type Plan, planOf } from "../device/plan.ts";
import type { RunInputs, RunOptions, RunOutputs } from "../executor.ts";
import { elementCount, type HostArray, newHostArray } from "../program.ts";
import type { Libtorch } from "./libtorch.ts";
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
  /** The loss is multiplied by this, and the gradients divided; a power of 2. */
  readonly lossScale: number;
}

/** A program that runs on libtorch, with its constants on the device. */
export class Runner {
  readonly #torch: Libtorch;
  readonly #program: PlainProgram;
  readonly #plan: Plan;
  readonly #constants: ReadonlyMap<number, Tensor>;

  constructor(torch: Libtorch, program: PlainProgram) {
    this.#torch = torch;
    this.#program = program;
    this.#plan = planOf(program);
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
   * last operation that needs them; only outputs are waited for.
   */
  run(
    state: TensorState,
    inputs: RunInputs,
    key: Required<RunOptions>,
    precision: RunPrecision,
  ): RunOutputs {
    const torch = this.#torch;
    const { lowDType, lasting, lossScale } = precision;
    const run = new Run(torch, key, lowDType, lasting, this.#byId(inputs));
    const seedId = this.#program.gradientSeed?.id;
    const values = new Map<number, Tensor>(this.#constants);
    const own = new Set<number>();
    const put = (id: number, tensor: Tensor) => {
      values.set(id, torch.keep(tensor));
      own.add(id);
    };
    const scaleSeed = (id: number) => {
      const seed = values.get(id);
      if (id !== seedId || seed === undefined || lossScale === 1) return;
      const scaled = torch.one("mul", seed, torch.number(lossScale));
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
      this.#addGiven(values, state, lossScale);
      for (const [at, node] of this.#program.nodes.entries()) {
        const outputs = this.#node(node, values, run);
        for (const [place, { id }] of node.outputs.entries()) {
          const output = outputs[place];
          if (output === undefined) continue;
          put(id, output.kept ? torch.another(output) : output);
          scaleSeed(id);
          this.#accumulate(id, values.get(id) ?? output, state, lossScale);
        }
        for (const id of this.#plan.freed[at] ?? []) free(id);
        for (const id of this.#plan.forgotten[at] ?? []) run.forget(id);
        torch.sweep();
      }
      return this.#outputs(values);
    } finally {
      run.end();
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
      ? this.#torch.upload(array, shape)
      : this.#torch.fromHost(array, shape);
  }

  #node(node: PlainNode, values: ReadonlyMap<number, Tensor>, run: Run): readonly Tensor[] {
    const inputs = node.inputs.map(({ id }) => values.get(id));
    const rule = RULES[node.op] as AnyRule; // proof: the rule of this node's operation
    return rule(node, inputs as unknown as Operands, run); // proof: see Operands
  }

  /** Gradients that are inputs, parameters or constants themselves. */
  #addGiven(values: ReadonlyMap<number, Tensor>, state: TensorState, lossScale: number): void {
    for (const [id, tensor] of values) this.#accumulate(id, tensor, state, lossScale);
  }

  #accumulate(id: number, tensor: Tensor, state: TensorState, lossScale: number): void {
    for (const name of this.#plan.gradients.get(id) ?? []) {
      state.accumulate(name, tensor, this.#plan.views.has(id), 1 / lossScale);
    }
  }

  #outputs(values: ReadonlyMap<number, Tensor>): RunOutputs {
    const torch = this.#torch;
    const outputs: Record<string, HostArray> = {};
    for (const { name, value } of this.#program.outputs) {
      const array = newHostArray(value.dtype, elementCount(value.shape));
      const tensor = values.get(value.id);
      if (tensor === undefined) throw new Error(`the output ${name} was not computed`);
      torch.download(tensor, array, value.shape);
      outputs[name] = array;
      torch.sweep();
    }
    return outputs;
  }
}

type AnyRule = Rule<PlainNode["op"]>;
