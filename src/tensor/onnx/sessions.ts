import type { InferenceSession, Tensor } from "onnxruntime-node";
import { fillDropoutMask } from "../dropout-bits.ts";
import type { RunOutputs } from "../executor.ts";
import { viewsOf } from "../host-state.ts";
import { elementCount, type HostArray, newHostArray } from "../program.ts";
import type {
  LoadRequest,
  Request,
  RunRequest,
  SharedParameters,
  TensorInfo,
  ThreadSettings,
} from "./messages.ts";
import { graphNames } from "./model.ts";
import { loadRuntime, type OnnxRuntime } from "./runtime.ts";

interface LoadedProgram {
  readonly session: InferenceSession;
  readonly info: LoadRequest;
}

type Arrays = ReadonlyMap<string, Float32Array>;

/** Sessions and attached parameters of one thread. */
export class Sessions {
  readonly #settings: ThreadSettings;
  readonly #programs = new Map<number, LoadedProgram>();
  readonly #states = new Map<number, { readonly values: Arrays; readonly gradients: Arrays }>();

  constructor(settings: ThreadSettings) {
    this.#settings = settings;
  }

  async handle(request: Request): Promise<RunOutputs> {
    switch (request.kind) {
      case "load":
        await this.#load(request);
        break;
      case "unload":
        await this.#programs.get(request.program)?.session.release();
        this.#programs.delete(request.program);
        break;
      case "attach":
        this.#attach(request.state, request.parameters);
        break;
      case "detach":
        this.#states.delete(request.state);
        break;
      case "run":
        return this.#run(request);
      default:
        request satisfies never;
    }
    return {};
  }

  async #load(info: LoadRequest): Promise<void> {
    const runtime = await loadRuntime();
    const session = await runtime.InferenceSession.create(info.bytes, {
      executionProviders: ["cpu"],
      intraOpNumThreads: this.#settings.threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "all",
      extra: { session: { set_denormal_as_zero: "1" } },
    });
    this.#programs.set(info.program, { session, info: { ...info, bytes: new Uint8Array(0) } });
  }

  #attach(state: number, { values, places, gradients, trained }: SharedParameters): void {
    this.#states.set(state, {
      values: viewsOf(values, places),
      gradients: gradients === null ? new Map() : viewsOf(gradients, trained),
    });
  }

  async #run({ program, state, inputs, options }: RunRequest): Promise<RunOutputs> {
    const runtime = await loadRuntime();
    const loaded = this.#programs.get(program);
    const arrays = this.#states.get(state);
    if (loaded === undefined || arrays === undefined) throw new Error("the executor was closed");
    const { session, info } = loaded;
    const feeds: Record<string, Tensor> = {};
    const fetches: Record<string, Tensor> = {};
    for (const input of info.inputs) {
      feeds[graphNames.input(input.name)] = tensor(runtime, input, inputs[input.name]);
    }
    for (const mask of info.masks) {
      const bits = new Uint8Array(elementCount(mask.shape));
      fillDropoutMask(bits, mask.rate, { ...options, layer: mask.layer });
      feeds[mask.name] = tensor(runtime, { ...mask, dtype: "bool" }, bits);
    }
    for (const parameter of info.parameters) {
      const array = arrays.values.get(parameter.name);
      feeds[graphNames.value(parameter.name)] = tensor(runtime, parameter, array);
    }
    for (const gradient of info.gradients) {
      const array = arrays.gradients.get(gradient.name);
      if (array === undefined) {
        // Frozen here: the sum is computed from zeros and not fetched.
        const zeros = new Float32Array(elementCount(gradient.shape));
        feeds[graphNames.gradient(gradient.name)] = tensor(runtime, gradient, zeros);
        continue;
      }
      const sums = tensor(runtime, gradient, array);
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
    return results;
  }
}

function tensor(runtime: OnnxRuntime, info: TensorInfo, data: HostArray | undefined): Tensor {
  if (data === undefined) throw new Error(`the state has no parameter ${info.name}`);
  return new runtime.Tensor(info.dtype, data, [...info.shape]);
}
