import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import type { PlainNamed, PlainProgram } from "../device/plan.ts";
import type { DeviceRuntime, DeviceSums, ResidentProgram } from "../device/session.ts";
import type { MemoryUse } from "../executor.ts";
import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../optimizer.ts";
import type { Late } from "../request-thread.ts";
import { Arrivals } from "./arrivals.ts";
import type { LibtorchFunctions } from "./binding.ts";
import { CudaQueue, cudaEvents } from "./cuda-queue.ts";
import { CudaRandom } from "./cuda-random.ts";
import { type DeviceQueue, HOST_QUEUE } from "./device-queue.ts";
import type { FoundLibtorch } from "./find-libtorch.ts";
import { Libtorch } from "./libtorch.ts";
import type { ThreadSettings, TorchDescription } from "./messages.ts";
import { lowDType } from "./precision.ts";
import { Runner } from "./runner.ts";
import { GradientBuckets } from "./sums/gradient-buckets.ts";
import { openReducer } from "./sums/open-reducer.ts";
import { setSwitches } from "./switches.ts";
import type { Tensor } from "./tensor.ts";
import { TensorState } from "./tensor-state.ts";
import { updateOnDevice } from "./update.ts";

/** libtorch, loaded in the thread, with what all its programs share. */
export class TorchRuntime implements DeviceRuntime<TensorState, TorchDescription> {
  readonly #torch: Libtorch;
  readonly #lowDType: number | null;
  /** In float16 the loss is scaled. */
  readonly #isScaled: boolean;
  readonly #countsMemory: boolean;
  /** Null where dropout masks have the bits they have everywhere. */
  readonly #random: CudaRandom | null;
  readonly #lasting = new Map<string, Tensor>();
  readonly #arrivals: Arrivals;
  #askedMs = 0;

  /**
   * @param binding stands for the library's functions; all that it is asked for is done at once
   * @param queue stands for the device's
   */
  constructor(settings: ThreadSettings, binding?: LibtorchFunctions, queue?: DeviceQueue) {
    const { libtorch, device, index, countMemory } = settings;
    const torch = new Libtorch(libtorch, device, index, binding, countMemory);
    if (countMemory && torch.binding.memory === null) throw notCounted(libtorch);
    this.#torch = torch;
    this.#countsMemory = countMemory;
    const hasStream = torch.isCuda && binding === undefined;
    const own = () =>
      hasStream ? new CudaQueue(cudaEvents(), () => torch.binding.cudaStream(index)) : HOST_QUEUE;
    this.#arrivals = new Arrivals(queue ?? own());
    torch.hasFlash = settings.hasFlash;
    setSwitches(torch, settings);
    const draws = torch.isCuda && !settings.deterministic;
    this.#random = draws ? CudaRandom.open(torch.binding, index) : null;
    this.#lowDType = lowDType(settings.precision, this.#torch.dtypes);
    this.#isScaled = settings.precision === "16-mixed";
  }

  describe(): TorchDescription {
    const { liveTensors, binding, waits } = this.#torch;
    return { liveTensors, interfaceVersion: binding.version, waits, askedMs: this.#askedMs };
  }

  takeMemoryUse(): MemoryUse | null {
    return this.#countsMemory ? (this.#torch.binding.memory?.takeUse() ?? null) : null;
  }

  load(program: PlainProgram): ResidentProgram<TensorState> {
    const runner = new Runner(this.#torch, program, this.#arrivals);
    const precision = { lowDType: this.#lowDType, lasting: this.#lasting, random: this.#random };
    return {
      run: (state, inputs, options) =>
        this.#asked(
          () => {
            const lossScale = runner.hasGradients ? (state.lossScale?.ofRun() ?? null) : null;
            return runner.run(state, inputs, options, { ...precision, lossScale });
          },
          () => state.guard.runLost(),
        ),
      close: () => runner.close(),
    };
  }

  create(parameters: readonly PlainNamed[], trained: readonly string[]): TensorState {
    return new TensorState(this.#torch, parameters, trained, this.#isScaled);
  }

  update(
    state: TensorState,
    optimizer: OptimizerSettings,
    options: UpdateOptions,
  ): UpdateResult | Late<UpdateResult> {
    return this.#asked(
      () => updateOnDevice(state, optimizer, options, this.#torch, this.#arrivals),
      () => state.guard.updateLost(),
    );
  }

  readonly sums: DeviceSums<TensorState> = {
    share: (state, buckets, how) => {
      const reducer = openReducer(this.#torch, buckets, how);
      state.buckets = new GradientBuckets(state, reducer, buckets);
    },
    arm: (state) => state.buckets?.arm(),
    finish: (state, outputs) =>
      state.buckets?.finish(outputs) ?? { buckets: 0, early: 0, waitedMs: 0 },
    shareValues: (state, names) => {
      state.buckets?.shareValues(names);
      state.valuesChanged();
    },
  };

  afterRequest(): void {
    this.#torch.sweep();
    this.#arrivals.look();
  }

  #asked<T>(work: () => T, onLost: () => void): T {
    const begin = performance.now();
    try {
      return work();
    } catch (error) {
      onLost();
      throw error;
    } finally {
      this.#askedMs += performance.now() - begin;
    }
  }
}

function notCounted({ directory, version }: FoundLibtorch): UnsupportedFeatureError {
  const message = `${directory}: the allocators of PyTorch ${version} report in another way than is known`;
  return new UnsupportedFeatureError("memory", message, {
    suggestions: ["open it without countMemory", "take PyTorch 2.11 or 2.15"],
  });
}
