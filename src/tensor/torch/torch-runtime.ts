import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import type { PlainNamed, PlainProgram } from "../device/plan.ts";
import type { DeviceRuntime, ResidentProgram } from "../device/session.ts";
import type { MemoryUse } from "../executor.ts";
import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../optimizer.ts";
import type { LibtorchFunctions } from "./binding.ts";
import type { FoundLibtorch } from "./find-libtorch.ts";
import { Libtorch } from "./libtorch.ts";
import { LossScale } from "./loss-scale.ts";
import type { ThreadSettings, TorchDescription } from "./messages.ts";
import { lowDType } from "./precision.ts";
import { Runner } from "./runner.ts";
import { setSwitches } from "./switches.ts";
import type { Tensor } from "./tensor.ts";
import { TensorState } from "./tensor-state.ts";
import { updateOnDevice } from "./update.ts";

/** libtorch, loaded in the thread, with what all its programs share. */
export class TorchRuntime implements DeviceRuntime<TensorState, TorchDescription> {
  readonly #torch: Libtorch;
  readonly #lowDType: number | null;
  /** Of float16 alone. */
  readonly #lossScale: LossScale | null;
  readonly #countsMemory: boolean;
  readonly #lasting = new Map<string, Tensor>();

  /** @param binding stands for the library's functions */
  constructor(settings: ThreadSettings, binding?: LibtorchFunctions) {
    const { libtorch, device, index, countMemory } = settings;
    this.#torch = new Libtorch(libtorch, device, index, binding, countMemory);
    if (countMemory && this.#torch.binding.memory === null) throw notCounted(libtorch);
    this.#countsMemory = countMemory;
    setSwitches(this.#torch, settings);
    this.#lowDType = lowDType(settings.precision, this.#torch.dtypes);
    this.#lossScale = settings.precision === "16-mixed" ? new LossScale() : null;
  }

  describe(): TorchDescription {
    const { liveTensors, binding } = this.#torch;
    return { liveTensors, interfaceVersion: binding.version };
  }

  takeMemoryUse(): MemoryUse | null {
    return this.#countsMemory ? (this.#torch.binding.memory?.takeUse() ?? null) : null;
  }

  load(program: PlainProgram): ResidentProgram<TensorState> {
    const runner = new Runner(this.#torch, program);
    const precision = { lowDType: this.#lowDType, lasting: this.#lasting };
    const scale = runner.hasGradients ? this.#lossScale : null;
    return {
      run: (state, inputs, options) => {
        const run = (lossScale: number) =>
          runner.run(state, inputs, options, { ...precision, lossScale });
        return scale === null ? run(1) : scale.find(state, this.#torch, run);
      },
      close: () => runner.close(),
    };
  }

  create(parameters: readonly PlainNamed[], trained: readonly string[]): TensorState {
    return new TensorState(this.#torch, parameters, trained);
  }

  update(state: TensorState, optimizer: OptimizerSettings, options: UpdateOptions): UpdateResult {
    return updateOnDevice(state, optimizer, options, this.#torch);
  }

  afterRequest(): void {
    this.#torch.sweep();
  }
}

function notCounted({ directory, version }: FoundLibtorch): UnsupportedFeatureError {
  const message = `${directory}: the allocators of PyTorch ${version} report in another way than is known`;
  return new UnsupportedFeatureError("memory", message, {
    suggestions: ["open it without countMemory", "take PyTorch 2.11 or 2.15"],
  });
}
