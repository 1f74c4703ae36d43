import type { Tensor } from "@tensorflow/tfjs-core";
import { type PlainNode, type PlainProgram, type Plan, planOf } from "../device/plan.ts";
import type { ResidentProgram } from "../device/session.ts";
import type { RunInputs, RunOptions, RunOutputs } from "../executor.ts";
import type { HostArray, TensorType } from "../program.ts";
import type { TensorFlow } from "./load.ts";
import { type LastingTensors, type Operands, type Rule, type Rules, Run } from "./rule.ts";
import { ATTENTION_RULES } from "./rules-attention.ts";
import { ELEMENTWISE_RULES } from "./rules-elementwise.ts";
import { MODEL_RULES } from "./rules-model.ts";
import { SHAPE_RULES } from "./rules-shape.ts";
import type { TfjsTensors } from "./tensors.ts";

/** One rule for every operation; the compiler checks that none is missing. */
const RULES: Rules = {
  ...ELEMENTWISE_RULES,
  ...SHAPE_RULES,
  ...MODEL_RULES,
  ...ATTENTION_RULES,
};

type AnyRule = Rule<PlainNode["op"]>;

/** A program that runs on TensorFlow.js, with its constants in the backend's memory. */
export class TfjsProgram implements ResidentProgram<TfjsTensors> {
  readonly #tf: TensorFlow;
  readonly #program: PlainProgram;
  readonly #plan: Plan;
  readonly #constants: ReadonlyMap<number, Tensor>;
  readonly #lasting: LastingTensors;

  constructor(tf: TensorFlow, program: PlainProgram, lasting: LastingTensors) {
    this.#tf = tf;
    this.#program = program;
    this.#plan = planOf(program);
    this.#lasting = lasting;
    this.#constants = new Map(
      program.constants.map(({ value, data }) => [value.id, tensorOf(tf, value, data)]),
    );
  }

  /**
   * Runs it with a state's values and adds the gradients to the state's. Tensors are freed after the
   * last operation that needs them.
   */
  async run(
    state: TfjsTensors,
    inputs: RunInputs,
    options: Required<RunOptions>,
  ): Promise<RunOutputs> {
    const tf = this.#tf;
    const run = new Run(tf, options, this.#lasting);
    const values = new Map<number, Tensor>(this.#constants);
    /** Tensors of this run alone. */
    const own = new Map<number, Tensor>();
    const put = (id: number, tensor: Tensor) => {
      values.set(id, tensor);
      own.set(id, tensor);
    };
    try {
      for (const { name, value } of this.#program.inputs) {
        put(value.id, tensorOf(tf, value, inputs[name]));
      }
      for (const { name, value } of this.#program.parameters) {
        values.set(value.id, state.tensor("values", name));
      }
      for (const [id, tensor] of values) this.#accumulate(id, tensor, state);
      for (const [at, node] of this.#program.nodes.entries()) {
        const outputs = this.#node(node, values, run);
        for (const [place, { id }] of node.outputs.entries()) {
          const output = outputs[place];
          if (output === undefined) continue;
          put(id, output);
          this.#accumulate(id, output, state);
        }
        for (const id of this.#plan.freed[at] ?? []) {
          own.get(id)?.dispose();
          own.delete(id);
          values.delete(id);
        }
        for (const id of this.#plan.forgotten[at] ?? []) run.forget(id);
      }
      return await this.#outputs(values);
    } finally {
      run.end();
      for (const tensor of own.values()) tensor.dispose();
    }
  }

  close(): void {
    for (const tensor of this.#constants.values()) tensor.dispose();
  }

  #node(node: PlainNode, values: ReadonlyMap<number, Tensor>, run: Run): Tensor[] {
    const inputs = node.inputs.map(({ id }) => values.get(id));
    const rule = RULES[node.op] as AnyRule; // proof: the rule of this node's operation
    return this.#tf.tidy(() => {
      const made = rule(node, inputs as unknown as Operands, run); // proof: see Operands
      // A function that has nothing to do may return its input, which is freed by itself.
      return made.map((tensor) => (inputs.includes(tensor) ? tensor.clone() : tensor));
    });
  }

  #accumulate(id: number, tensor: Tensor, state: TfjsTensors): void {
    for (const name of this.#plan.gradients.get(id) ?? []) state.accumulate(name, tensor);
  }

  async #outputs(values: ReadonlyMap<number, Tensor>): Promise<RunOutputs> {
    const outputs: Record<string, HostArray> = {};
    for (const { name, value } of this.#program.outputs) {
      const tensor = values.get(value.id);
      if (tensor === undefined) throw new Error(`the output ${name} was not computed`);
      outputs[name] = await tensor.data();
    }
    return outputs;
  }
}

function tensorOf(tf: TensorFlow, { dtype, shape }: TensorType, data?: HostArray): Tensor {
  if (data === undefined) throw new Error("an input was not given");
  return tf.keep(tf.tensor(data, [...shape], dtype));
}
