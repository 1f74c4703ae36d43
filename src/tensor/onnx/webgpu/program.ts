import type { InferenceSession, Tensor } from "onnxruntime-node";
import type { PlainProgram } from "../../device/plan.ts";
import type { ResidentProgram } from "../../device/session.ts";
import type { RunInputs, RunOptions, RunOutputs } from "../../executor.ts";
import type { HostArray, Program } from "../../program.ts";
import { fillDropoutBits } from "../../update/dropout-kernel.ts";
import type { MaskInput } from "../emit-dropout.ts";
import { graphNames, trainingModel } from "../model.ts";
import type { GpuSessions } from "./sessions.ts";
import type { GpuTensors } from "./tensors.ts";

/** A program as one graph on the GPU. */
export class GpuProgram implements ResidentProgram<GpuTensors> {
  readonly #gpu: GpuSessions;
  readonly #program: PlainProgram;
  readonly #session: InferenceSession;
  readonly #masks: readonly MaskInput[];

  private constructor(
    gpu: GpuSessions,
    program: PlainProgram,
    session: InferenceSession,
    masks: readonly MaskInput[],
  ) {
    this.#gpu = gpu;
    this.#program = program;
    this.#session = session;
    this.#masks = masks;
  }

  static async compile(gpu: GpuSessions, program: PlainProgram): Promise<GpuProgram> {
    const sums = program.gradients.map(({ name }) => graphNames.sum(name));
    const whole = program as Program; // proof: emitting does not ask for the builder of a value
    const { bytes, masks } = trainingModel(whole, { webGpu: true });
    return new GpuProgram(gpu, program, await gpu.create(bytes, sums), masks);
  }

  /** Runs it with a state's values; the sums of gradients take the place of the state's. */
  async run(
    state: GpuTensors,
    inputs: RunInputs,
    options: Required<RunOptions>,
  ): Promise<RunOutputs> {
    const gpu = this.#gpu;
    const feeds: Record<string, Tensor> = {};
    for (const { name, value } of this.#program.inputs) {
      const data = inputs[name];
      if (data === undefined) throw new Error(`the input ${name} was not given`);
      feeds[graphNames.input(name)] = gpu.hostTensor(value.dtype, value.shape, data);
    }
    for (const { name, layer, rate, numbers } of this.#masks) {
      const bits = new Uint16Array(numbers);
      fillDropoutBits(bits, rate, { ...options, layer });
      feeds[name] = gpu.hostTensor("int32", [numbers], Int32Array.from(bits));
    }
    for (const { name } of this.#program.parameters) {
      feeds[graphNames.value(name)] = await state.tensor("values", name);
    }
    for (const { name } of this.#program.gradients) {
      feeds[graphNames.gradient(name)] = await state.tensor("gradients", name);
    }
    const results = await gpu.run(this.#session, feeds);
    for (const { name } of this.#program.gradients) {
      const sum = results[graphNames.sum(name)];
      if (state.trains(name)) state.replace("gradients", name, sum);
      else gpu.release(sum);
    }
    return Object.fromEntries(
      this.#program.outputs.map(({ name }) => {
        const data = results[graphNames.output(name)]?.data;
        return [name, data as HostArray]; // proof: of the three dtypes of programs
      }),
    );
  }

  close(): Promise<void> {
    return this.#session.release();
  }
}
