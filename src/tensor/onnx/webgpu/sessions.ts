import type { InferenceSession, Tensor } from "onnxruntime-node";
import { ScdlError, UnsupportedFeatureError } from "../../../../formats/common/errors.ts";
import type { HostArray, Shape } from "../../program.ts";
import { OnnxGraph } from "../graph.ts";
import { loadRuntime, type OnnxRuntime } from "../runtime.ts";

/** Sessions on the GPU, and tensors on their way there and back. */
export class GpuSessions {
  readonly #runtime: OnnxRuntime;
  /** Sessions by what they are for. */
  readonly #sessions = new Map<string, Promise<InferenceSession>>();
  #held = 0;

  private constructor(runtime: OnnxRuntime) {
    this.#runtime = runtime;
  }

  /** @throws UnsupportedFeatureError where there is no GPU that WebGPU can use */
  static async open(): Promise<GpuSessions> {
    const sessions = new GpuSessions(await loadRuntime());
    try {
      const probe = await sessions.upload(new Float32Array(1), [1]);
      sessions.release(probe);
    } catch (error) {
      throw noAdapter(error);
    }
    return sessions;
  }

  /** Tensors in the GPU's memory that are not released. */
  get held(): number {
    return this.#held;
  }

  /**
   * Compiles a graph, all of whose nodes run on the GPU.
   *
   * @param resident outputs that stay in its memory
   */
  async create(model: Uint8Array, resident: readonly string[]): Promise<InferenceSession> {
    try {
      return await this.#runtime.InferenceSession.create(model, {
        executionProviders: ["webgpu"],
        graphOptimizationLevel: "all",
        preferredOutputLocation: Object.fromEntries(resident.map((name) => [name, "gpu-buffer"])),
        // A node that the GPU cannot run is an error, not a detour through the processor.
        extra: { session: { disable_cpu_ep_fallback: "1" } },
      });
    } catch (error) {
      throw webGpuError("compiling a program", error);
    }
  }

  /** A session that is compiled when it is first asked for. */
  once(key: string, build: () => readonly [Uint8Array, readonly string[]]) {
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    const made = this.create(...build());
    this.#sessions.set(key, made);
    made.catch(() => this.#sessions.delete(key));
    return made;
  }

  /**
   * Runs a session for all of its outputs: asked for some, the runtime mixes up which of them stay on
   * the GPU. Those that do are to be released.
   */
  async run(
    session: InferenceSession,
    feeds: Readonly<Record<string, Tensor>>,
  ): Promise<Readonly<Record<string, Tensor>>> {
    try {
      const results = await session.run(feeds);
      for (const tensor of Object.values(results)) if (tensor.location !== "cpu") this.#held++;
      return results as Readonly<Record<string, Tensor>>; // proof: graphs have no other outputs
    } catch (error) {
      throw webGpuError("running a program", error);
    }
  }

  /** A tensor in the host's memory, for `run` to send. */
  hostTensor(dtype: "float32" | "int32" | "bool", shape: Shape, data: HostArray): Tensor {
    return new this.#runtime.Tensor(dtype, data, [...shape]);
  }

  async upload(data: Float32Array, shape: Shape): Promise<Tensor> {
    const session = await this.once(`upload ${shape}`, () => [copying(shape), ["y"]]);
    const { y } = await this.run(session, { x: this.hostTensor("float32", shape, data) });
    return y as Tensor; // proof: the graph's output
  }

  /** Through a graph that copies: the tensor's own `getData()` ends the process. */
  async download(tensor: Tensor, shape: Shape): Promise<Float32Array> {
    const session = await this.once(`download ${shape}`, () => [copying(shape), []]);
    const { y } = await this.run(session, { x: tensor });
    return y?.data as Float32Array; // proof: the graph's output, in the host's memory
  }

  /** Frees a tensor of the GPU. */
  release(tensor: Tensor | undefined): void {
    if (tensor === undefined || tensor.location === "cpu") return;
    tensor.dispose();
    this.#held--;
  }
}

function copying(shape: Shape): Uint8Array {
  const graph = new OnnxGraph();
  graph.input("x", "float32", shape);
  graph.node("Identity", ["x"], ["y"]);
  graph.output("y", "float32", shape);
  return graph.finish("copy");
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n").find((line) => line.trim() !== "") ?? "";
}

function webGpuError(what: string, error: unknown): ScdlError {
  if (error instanceof ScdlError) return error;
  return new ScdlError("webgpu", `WebGPU: ${what} failed: ${firstLine(error)}`, {
    suggestions: ["where memory is short, make --micro-batch-size smaller, or sequences shorter"],
    cause: error,
  });
}

function noAdapter(error: unknown): UnsupportedFeatureError {
  const reason = firstLine(error instanceof ScdlError ? error.cause : error).replace(
    /^.*false\. /,
    "",
  );
  return new UnsupportedFeatureError("webgpu", `there is no GPU that WebGPU can use: ${reason}`, {
    suggestions: [
      "on Linux install the Vulkan driver of the GPU (vulkaninfo lists what is there)",
      "train on the processor: --device cpu",
    ],
    cause: error,
  });
}
