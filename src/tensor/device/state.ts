import type { Communicator } from "../../distributed/communicator.ts";
import { checkInputs } from "../check-inputs.ts";
import { checkLossScale, checkUpdate } from "../check-update.ts";
import type {
  Executable,
  ParameterState,
  RunInputs,
  RunOptions,
  RunOutputs,
  StateKind,
  StateOptions,
} from "../executor.ts";
import type {
  LossScaleState,
  OptimizerSettings,
  UpdateOptions,
  UpdateResult,
} from "../optimizer.ts";
import { missingParameter, requireArrays } from "../parameter-names.ts";
import { elementCount, type NamedValue } from "../program.ts";
import type { RequestThread } from "../request-thread.ts";
import type { Answers, Request } from "./messages.ts";
import type { GradientMemory, GradientSums } from "./sums/gradient-sums.ts";
import { openSums } from "./sums/open-sums.ts";

/** What a state needs of its executor. */
export interface StateOwner {
  readonly thread: Pick<RequestThread<Request, Answers>, "send" | "isEnded">;
  /** The number under which the thread knows a program, which is sent to it if it is not there. */
  load(program: Executable["program"]): number;
  /** Null where gradients of its states cannot be added up where they lie. */
  readonly gradientMemory: GradientMemory | null;
}

/** Parameters on the device: this side knows their names and lengths, the thread has the tensors. */
export class DeviceState implements ParameterState {
  readonly hostGradients = null;
  readonly trained: readonly string[];
  readonly #owner: StateOwner;
  readonly #id: number;
  readonly #lengths: ReadonlyMap<string, number>;
  readonly #trainedLengths: ReadonlyMap<string, number>;
  #sums: GradientSums | null = null;

  constructor(
    owner: StateOwner,
    id: number,
    parameters: readonly NamedValue[],
    { frozen, inferenceOnly }: StateOptions,
  ) {
    this.#owner = owner;
    this.#id = id;
    this.#lengths = new Map(
      parameters.map(({ name, value }) => [name, elementCount(value.shape)] as const),
    );
    const kept = new Set(frozen ?? []);
    for (const name of kept) if (!this.#lengths.has(name)) throw missingParameter(name, this.names);
    this.trained = inferenceOnly === true ? [] : this.names.filter((name) => !kept.has(name));
    const trained = new Set(this.trained);
    this.#trainedLengths = new Map([...this.#lengths].filter(([name]) => trained.has(name)));
  }

  get names(): readonly string[] {
    return [...this.#lengths.keys()];
  }

  /** Makes the tensors. */
  async allocate(parameters: readonly NamedValue[]): Promise<void> {
    await this.#owner.thread.send<"create">({
      kind: "create",
      state: this.#id,
      parameters: parameters.map(({ name, value: { id, dtype, shape } }) => {
        return { name, value: { id, dtype, shape } };
      }),
      trained: this.trained,
    });
  }

  async write(kind: StateKind, arrays: ReadonlyMap<string, Float32Array>): Promise<void> {
    requireArrays(arrays, this.#lengthsOf(kind));
    const { thread } = this.#owner;
    await thread.send<"write">({ kind: "write", state: this.#id, what: kind, arrays });
  }

  async read(
    kind: StateKind,
    names: Iterable<string> = this.#lengthsOf(kind).keys(),
  ): Promise<ReadonlyMap<string, Float32Array>> {
    const lengths = this.#lengthsOf(kind);
    const asked = [...names];
    const unknown = asked.find((name) => !lengths.has(name));
    if (unknown !== undefined) throw missingParameter(unknown, [...lengths.keys()]);
    const { thread } = this.#owner;
    return thread.send<"read">({ kind: "read", state: this.#id, what: kind, names: asked });
  }

  async zeroGradients(): Promise<void> {
    await this.#owner.thread.send<"zero">({ kind: "zero", state: this.#id });
  }

  async run(
    { program }: Executable,
    inputs: RunInputs,
    options: RunOptions = {},
  ): Promise<RunOutputs> {
    checkInputs(program, inputs);
    const { seed = 0, step = 0, microBatch = 0 } = options;
    const answer = this.#owner.thread.send<"run">({
      kind: "run",
      program: this.#owner.load(program),
      state: this.#id,
      inputs,
      options: { seed, step, microBatch },
    });
    return this.#sums?.unlessLost(answer) ?? answer;
  }

  async shareGradients(ranks: Communicator): Promise<GradientSums | null> {
    const { thread, gradientMemory } = this.#owner;
    const lengths = this.#trainedLengths;
    this.#sums = await openSums(ranks, gradientMemory, { thread, state: this.#id, lengths });
    return this.#sums;
  }

  async lossScale(set?: LossScaleState): Promise<LossScaleState | null> {
    if (set !== undefined) checkLossScale(set);
    const { thread } = this.#owner;
    return thread.send<"scale">({ kind: "scale", state: this.#id, set: set ?? null });
  }

  async update(optimizer: OptimizerSettings, options: UpdateOptions): Promise<UpdateResult> {
    checkUpdate(optimizer, options);
    const { thread } = this.#owner;
    const request = { kind: "update", state: this.#id, optimizer, options } as const;
    const answer = thread.send<"update">(request);
    return this.#sums?.unlessLost(answer) ?? answer;
  }

  async close(): Promise<void> {
    const sums = this.#sums;
    await sums?.close();
    const { thread } = this.#owner;
    if (thread.isEnded) return;
    const dropped = thread.send<"drop">({ kind: "drop", state: this.#id });
    // A device that hangs frees nothing; whoever asked it for something was told why.
    const freed = sums?.unlessLost(dropped).catch(() => {}) ?? dropped;
    await freed.catch((error: unknown) => {
      if (!thread.isEnded) throw error;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #lengthsOf(kind: StateKind): ReadonlyMap<string, number> {
    return kind === "values" ? this.#lengths : this.#trainedLengths;
  }
}
