import { checkInputs } from "../check-inputs.ts";
import { checkUpdate } from "../check-update.ts";
import type {
  Executable,
  ParameterState,
  RunInputs,
  RunOptions,
  RunOutputs,
  StateKind,
} from "../executor.ts";
import type { HostState } from "../host-state.ts";
import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../optimizer.ts";
import { UpdateChunks } from "../update/chunks.ts";
import { clipFactor, updateHost } from "../update/host-update.ts";
import type { DropoutMasks } from "./dropout-masks.ts";
import { maskInputs } from "./emit-dropout.ts";
import type { OnnxThread } from "./thread.ts";

/** What a state needs of its executor. */
export interface StateThreads {
  readonly runner: OnnxThread;
  readonly masks: DropoutMasks;
  allThreads(): readonly OnnxThread[];
  /** @throws InvalidArgumentError where it was closed */
  requireOpen(): void;
  keeping<T>(program: Executable["program"], work: (id: Promise<number>) => Promise<T>): Promise<T>;
}

/** Parameters in shared memory: this thread writes and reads them, the others run on them. */
export class OnnxState implements ParameterState {
  readonly #executor: StateThreads;
  readonly #id: number;
  readonly #host: HostState;
  readonly #chunks: number;
  readonly #attached = new Set<OnnxThread>();
  /** What was asked last; the next waits for it. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(executor: StateThreads, id: number, host: HostState) {
    this.#executor = executor;
    this.#id = id;
    this.#host = host;
    this.#chunks = new UpdateChunks(host.shared).length;
  }

  get names(): readonly string[] {
    return this.#host.names;
  }

  get trained(): readonly string[] {
    return this.#host.trained;
  }

  get hostGradients(): ReadonlyMap<string, Float32Array> {
    return this.#host.views("gradients");
  }

  write(kind: StateKind, arrays: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.#whileOpen(() => this.#host.write(kind, arrays));
  }

  read(kind: StateKind, names?: Iterable<string>): Promise<ReadonlyMap<string, Float32Array>> {
    return this.#whileOpen(() => this.#host.read(kind, names));
  }

  zeroGradients(): Promise<void> {
    return this.#whileOpen(() => this.#host.zeroGradients());
  }

  async run(
    { program }: Executable,
    inputs: RunInputs,
    options: RunOptions = {},
  ): Promise<RunOutputs> {
    checkInputs(program, inputs);
    const { seed = 0, step = 0, microBatch = 0 } = options;
    const { runner, masks } = this.#executor;
    const key = { seed, step, microBatch };
    const threads = () => this.#executor.allThreads();
    // Asked for now: what is compiled after this does not push the program out.
    return this.#executor.keeping(program, (id) =>
      this.#whileOpen(async () => {
        await this.#attach(runner);
        return masks.run(maskInputs(program), key, threads, async (filled) => {
          const request = { program: await id, state: this.#id, inputs, masks: filled };
          return runner.send<"run">({ kind: "run", ...request });
        });
      }),
    );
  }

  async update(optimizer: OptimizerSettings, options: UpdateOptions): Promise<UpdateResult> {
    checkUpdate(optimizer, options);
    return this.#whileOpen(async () => {
      if (optimizer.kind === "sgd") return updateHost(this.#host, optimizer, options);
      const threads = this.#executor.allThreads();
      await Promise.all(threads.map((thread) => this.#attach(thread)));
      const squares = await this.#share((thread, range) =>
        thread.send<"squares">({ kind: "squares", ...range }),
      );
      const sum = squares.flatMap((part) => [...part]).reduce((total, part) => total + part, 0);
      const gradientNorm = Math.sqrt(sum) * (options.gradientFactor ?? 1);
      const gradientFactor = clipFactor(gradientNorm, options);
      if (gradientFactor === null) return { gradientNorm, applied: false };
      await this.#share((thread, range) =>
        thread.send<"adam">({ kind: "adam", ...range, gradientFactor, optimizer, options }),
      );
      return { gradientNorm, applied: true };
    });
  }

  async close(): Promise<void> {
    await this.#inOrder(() =>
      Promise.all(
        [...this.#attached].map((thread) =>
          thread.send<"detach">({ kind: "detach", state: this.#id }).catch((error: unknown) => {
            if (!thread.isEnded) throw error;
          }),
        ),
      ),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Gives a thread the memory, once. */
  async #attach(thread: OnnxThread): Promise<void> {
    if (this.#attached.has(thread)) return;
    this.#attached.add(thread);
    await thread.send<"attach">({ kind: "attach", state: this.#id, shared: this.#host.shared });
  }

  /** Asks every thread for its share of the chunks; answers in the order of the chunks. */
  #share<T>(
    ask: (thread: OnnxThread, range: { state: number; begin: number; end: number }) => Promise<T>,
  ): Promise<T[]> {
    const threads = this.#executor.allThreads();
    const bound = (share: number) => Math.floor((share * this.#chunks) / threads.length);
    return Promise.all(
      threads.map((thread, at) =>
        ask(thread, { state: this.#id, begin: bound(at), end: bound(at + 1) }),
      ),
    );
  }

  /** What is still to be done when the executor is closed rejects. */
  #whileOpen<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#inOrder(() => {
      this.#executor.requireOpen();
      return work();
    });
  }

  #inOrder<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}
