import type { InferenceSession, Tensor } from "onnxruntime-node";

import type { RunOutputs } from "../executor.ts";
import { viewsOf } from "../host-state.ts";
import { elementCount, type HostArray, newHostArray } from "../program.ts";
import { UpdateChunks } from "../update/chunks.ts";
import { fillDropoutBits } from "../update/dropout-kernel.ts";
import type {
  Answer,
  LoadRequest,
  Request,
  RunRequest,
  TensorInfo,
  ThreadSettings,
} from "./messages.ts";
import { graphNames } from "./model.ts";
import { loadRuntime, type OnnxRuntime, takesSharedMemory } from "./runtime.ts";

interface LoadedProgram {
  readonly session: InferenceSession;
  readonly info: LoadRequest;
}

interface AttachedState {
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly chunks: UpdateChunks;
}

/** Sessions and attached parameters of one thread. */
export class Sessions {
  readonly #settings: ThreadSettings;
  readonly #programs = new Map<number, LoadedProgram>();
  readonly #states = new Map<number, AttachedState>();

  constructor(settings: ThreadSettings) {
    this.#settings = settings;
  }

  async handle(request: Request): Promise<Answer> {
    switch (request.kind) {
      case "load":
        await this.#load(request);
        return null;
      case "unload":
        await this.#programs.get(request.program)?.session.release();
        this.#programs.delete(request.program);
        return null;
      case "attach":
        this.#states.set(request.state, {
          values: viewsOf(request.shared, "values"),
          gradients: viewsOf(request.shared, "gradients"),
          chunks: new UpdateChunks(request.shared),
        });
        return null;
      case "detach":
        this.#states.delete(request.state);
        return null;
      case "masks":
        for (const { bits, rate, layer, first } of request.parts) {
          fillDropoutBits(bits, rate, { ...request.options, layer }, first);
        }
        return null;
      case "run":
        return this.#run(request);
      case "squares":
        return this.#state(request.state).chunks.squares(request.begin, request.end);
      case "adam": {
        const { begin, end, gradientFactor, optimizer, options } = request;
        this.#state(request.state).chunks.adam(begin, end, gradientFactor, optimizer, options);
        return null;
      }
    }
  }

  #state(id: number): AttachedState {
    const state = this.#states.get(id);
    if (state === undefined) throw new Error("the state was closed");
    return state;
  }

  async #load(info: LoadRequest): Promise<void> {
    const runtime = await loadRuntime();
    const session = await runtime.InferenceSession.create(info.bytes, {
      executionProviders: ["cpu"],
      intraOpNumThreads: this.#settings.threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "all",
      // Planning all memory as one block takes a third more of it and saves no time.
      enableMemPattern: false,
      extra: {
        session: { set_denormal_as_zero: "1" },
        // They would undo transposes that are there because they pay (see `emit-model.ts`).
        optimization: { disable_specified_optimizers: "GemmTransposeFusion;MatmulTransposeFusion" },
      },
    });
    const kept = { ...info, bytes: new Uint8Array(0) };
    this.#programs.set(info.program, { session, info: kept });
  }

  async #run({ program, state, inputs, masks }: RunRequest): Promise<RunOutputs> {
    const runtime = await loadRuntime();
    const loaded = this.#programs.get(program);
    const arrays = this.#state(state);
    if (loaded === undefined) throw new Error("the program was unloaded");
    const { session, info } = loaded;
    const inPlace = await takesSharedMemory(runtime);
    const copies: (() => void)[] = [];
    const feeds: Record<string, Tensor> = {};
    const fetches: Record<string, Tensor> = {};
    const owned = <T extends HostArray>(array: T | undefined): HostArray | undefined =>
      inPlace || !(array?.buffer instanceof SharedArrayBuffer) ? array : array.slice();
    for (const input of info.inputs) {
      feeds[graphNames.input(input.name)] = tensor(runtime, input, owned(inputs[input.name]));
    }
    for (const { name, bits } of masks) {
      feeds[name] = new runtime.Tensor("uint16", inPlace ? bits : bits.slice(), [bits.length]);
    }
    for (const parameter of info.parameters) {
      const array = arrays.values.get(parameter.name);
      feeds[graphNames.value(parameter.name)] = tensor(runtime, parameter, owned(array));
    }
    for (const gradient of info.gradients) {
      const array = arrays.gradients.get(gradient.name);
      if (array === undefined) {
        // Frozen here: the sum is computed from zeros and not fetched.
        const zeros = new Float32Array(elementCount(gradient.shape));
        feeds[graphNames.gradient(gradient.name)] = tensor(runtime, gradient, zeros);
        continue;
      }
      const own = inPlace ? array : array.slice();
      if (own !== array) copies.push(() => array.set(own));
      const sums = tensor(runtime, gradient, own);
      // One memory for both: the graph adds element by element and reads the sum nowhere else.
      feeds[graphNames.gradient(gradient.name)] = sums;
      fetches[graphNames.sum(gradient.name)] = sums;
    }
    const results: Record<string, HostArray> = {};
    for (const output of info.outputs) {
      const array = newHostArray(output.dtype, elementCount(output.shape));
      results[output.name] = array;
      fetches[graphNames.output(output.name)] = tensor(runtime, output, array);
    }
    await session.run(feeds, fetches);
    for (const copy of copies) copy();
    return results;
  }
}

function tensor(runtime: OnnxRuntime, info: TensorInfo, data: HostArray | undefined): Tensor {
  if (data === undefined) throw new Error(`the state has no parameter ${info.name}`);
  return new runtime.Tensor(info.dtype, data, [...info.shape]);
}
