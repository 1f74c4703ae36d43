import type { PlainNamed, PlainProgram } from "../../device/plan.ts";
import type { DeviceRuntime } from "../../device/session.ts";
import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../../optimizer.ts";
import { VERSION } from "../runtime.ts";
import type { WebGpuDescription } from "./messages.ts";
import { GpuProgram } from "./program.ts";
import { GpuSessions } from "./sessions.ts";
import { GpuTensors } from "./tensors.ts";
import { updateOnGpu } from "./update.ts";

/** ONNX Runtime on WebGPU, loaded in the thread. */
export class WebGpuRuntime implements DeviceRuntime<GpuTensors, WebGpuDescription> {
  readonly #gpu: GpuSessions;

  private constructor(gpu: GpuSessions) {
    this.#gpu = gpu;
  }

  static async open(): Promise<WebGpuRuntime> {
    return new WebGpuRuntime(await GpuSessions.open());
  }

  describe(): WebGpuDescription {
    return { liveTensors: this.#gpu.held, version: VERSION };
  }

  load(program: PlainProgram): Promise<GpuProgram> {
    return GpuProgram.compile(this.#gpu, program);
  }

  create(parameters: readonly PlainNamed[], trained: readonly string[]): GpuTensors {
    return new GpuTensors(this.#gpu, parameters, trained);
  }

  update(
    state: GpuTensors,
    optimizer: OptimizerSettings,
    options: UpdateOptions,
  ): Promise<UpdateResult> {
    return updateOnGpu(this.#gpu, state, optimizer, options);
  }

  afterRequest(): void {}
}
