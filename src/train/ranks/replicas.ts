import { crc32 } from "../../../formats/common/crc32.ts";
import { type Communicator, RankError } from "../../distributed/communicator.ts";
import { unlessLost } from "../../distributed/unless-lost.ts";
import type { GradientSums, ParameterState, StateKind } from "../../tensor/index.ts";
import type { StoppedBy } from "../fit-result.ts";
import { LOSS } from "../model-programs.ts";
import { signalOf } from "./stop-signal.ts";

/** Numbers of a batch, summed over all ranks. */
export interface RankSums {
  readonly sums: Readonly<Record<string, number>>;
  readonly numbers: readonly number[];
  /** Ranks with a sum of their own that is not finite; none for a run of one process. */
  readonly notFinite: readonly number[];
}

/**
 * The ranks of a run as its trainer sees them: what they add up, and what they must agree on. Every
 * rank calls the same in the same order. Alone, nothing is exchanged.
 */
export class Replicas {
  /** Null for a run of one process. */
  readonly #ranks: Communicator | null;
  /** Of states whose gradients are added up on their device. */
  #sums: GradientSums | null = null;
  #signal: AbortSignal | undefined;
  #agreedStop: StoppedBy | null = null;
  /** Batches in a row that were the same on every rank. */
  #same = 0;
  #batches = 0;

  constructor(communicator: Communicator | undefined) {
    this.#ranks = communicator === undefined || communicator.worldSize === 1 ? null : communicator;
  }

  /** A run of one process. */
  get isAlone(): boolean {
    return this.#ranks === null;
  }

  /** Gradients are added up where they lie: the host need not have them. */
  get addsInPlace(): boolean {
    return this.#sums !== null;
  }

  /** Rank 0: writes logs and checkpoints. */
  get isFirst(): boolean {
    return this.#ranks === null || this.#ranks.rank === 0;
  }

  /** Whether a signal has stopped the run: with several ranks, as they agreed at their last sums. */
  get isStopped(): boolean {
    return this.stoppedBy !== null;
  }

  /** What {@link isStopped} is due to, the same on every rank. */
  get stoppedBy(): StoppedBy | null {
    return this.#ranks === null ? this.#ownStop(0) : this.#agreedStop;
  }

  #ownStop(rank: number): StoppedBy | null {
    const signal = this.#signal;
    return signal?.aborted === true ? { rank, signal: signalOf(signal.reason) } : null;
  }

  /** @param options that must be the same on every rank @throws RankError naming the first that differs */
  async begin(
    signal: AbortSignal | undefined,
    options: Readonly<Record<string, string | number | boolean | undefined>>,
  ): Promise<void> {
    this.#signal = signal;
    this.#agreedStop = null;
    if (this.#ranks === null) return;
    const said = await this.#gatherTexts(
      JSON.stringify(Object.entries(options).map(([name, value]) => [name, String(value)])),
    );
    // proof: every rank runs this function
    const [first = [], ...others] = said.map((text) => JSON.parse(text) as [string, string][]);
    for (const [at, other] of others.entries()) {
      for (const [index, [name, value]] of first.entries()) {
        const theirs = other[index]?.[1];
        if (theirs === value) continue;
        throw differ(at + 1, `rank ${at + 1} has ${name} ${theirs}, rank 0 ${value}`);
      }
    }
    await this.sum({}, []);
  }

  /**
   * What the micro-batches of all ranks count, rank by rank, and which is the first of this one.
   * @throws RankError when every rank reads the same rows
   */
  async share(
    counts: readonly number[],
    batch: unknown,
  ): Promise<{ readonly all: readonly number[]; readonly begin: number }> {
    const ranks = this.#ranks;
    if (ranks === null) return { all: counts, begin: 0 };
    const told = await this.#gather([rowsChecksum(batch), ...counts]);
    this.#assertShares(told.map(([checksum = -1]) => checksum));
    const lists = told.map(([, ...list]) => list);
    const begin = lists.slice(0, ranks.rank).reduce((sum, { length }) => sum + length, 0);
    return { all: lists.flat(), begin };
  }

  /** Adds up numbers by name and by place, in the order of ranks; carries whether one is to stop. */
  async sum(sums: Readonly<Record<string, number>>, numbers: readonly number[]): Promise<RankSums> {
    if (this.#ranks === null) return { sums, numbers, notFinite: [] };
    const stop = this.#ownStop(this.#ranks.rank);
    const mine: Told = { stop, numbers: numbers.map(String), sums: textsOf(sums) };
    const told = await this.#gatherTexts(JSON.stringify(mine));
    const totals: Record<string, number> = {};
    const notFinite: number[] = [];
    const lists = told.map((text, rank) => {
      // proof: every rank runs this function
      const theirs = JSON.parse(text) as Told;
      this.#agreedStop ??= theirs.stop;
      const values = Object.values(theirs.sums).map(Number);
      if (!values.every(Number.isFinite)) notFinite.push(rank);
      // A rank without rows knows no names.
      for (const [name, value] of Object.entries(theirs.sums)) {
        totals[name] = (totals[name] ?? 0) + Number(value);
      }
      return theirs.numbers.map(Number);
    });
    const added = numbers.map((_, at) =>
      lists.reduce((total, list) => total + (list[at] ?? Number.NaN), 0),
    );
    return { sums: totals, numbers: added, notFinite };
  }

  /** An array of each rank, by rank; their lengths may differ. */
  async gatherFloats(values: Float32Array): Promise<readonly Float32Array[]> {
    if (this.#ranks === null) return [values];
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const told = await this.#ranks.allGather(bytes);
    return told.map((one) => new Float32Array(Uint8Array.from(one).buffer));
  }

  /**
   * For the state of a run, before its first step.
   * @returns what users are to know
   */
  async connect(state: ParameterState): Promise<readonly string[]> {
    if (this.#ranks === null) return [];
    this.#sums = (await state.shareGradients?.(this.#ranks)) ?? null;
    if (this.#sums !== null || state.hostGradients !== null) return [];
    return ["gradients are copied to the host to be added up: not all processes have one NCCL"];
  }

  /** The next run of the state is the last of a step: its gradients may be added up as they are made. */
  beginSums(): void {
    this.#sums?.begin();
  }

  /**
   * Adds up the gradients of all ranks in each of them: the same bits. After {@link beginSums}.
   * @returns milliseconds at the end of it that were no work of this rank; Infinity: all of it
   */
  async sumGradients(state: ParameterState): Promise<number> {
    const ranks = this.#ranks;
    if (ranks === null) return 0;
    if (this.#sums !== null) return (await this.#sums.finish([LOSS])).waitedMs;
    if (state.hostGradients !== null) {
      await ranks.allReduceSum([...state.hostGradients.values()]);
      return Number.POSITIVE_INFINITY;
    }
    const gradients = await state.read("gradients");
    await ranks.allReduceSum([...gradients.values()]);
    await state.write("gradients", gradients);
    return Number.POSITIVE_INFINITY;
  }

  /**
   * Asks for the values of parameters by their owners, rank by rank, where they lie; runs asked for
   * afterwards see them. Null where that goes by the host.
   */
  shareValues(names: readonly (readonly string[])[]): Promise<void> | null {
    return this.#sums?.shareValues?.(names) ?? null;
  }

  /** The result of a step's work, or at once the error of a rank that is lost. */
  unlessLost<T>(work: Promise<T>): Promise<T> {
    return this.#ranks === null ? work : unlessLost(this.#ranks.failure, work);
  }

  /** Waits for an end, but not when a rank is lost: then nothing is to be ended in order. */
  async ended(work: Promise<void>): Promise<void> {
    if (this.#ranks?.failure.aborted !== true) await work;
    else work.catch(() => {});
  }

  /** What rank 0 makes, as JSON; the others wait for it. */
  async fromFirst<T>(make: () => Promise<T>): Promise<T> {
    if (this.#ranks === null) return make();
    const made = this.isFirst ? JSON.stringify(await make()) : "";
    // What rank 0 makes may take as long as it wants.
    await this.#ranks.barrier(this.isFirst ? undefined : Number.POSITIVE_INFINITY);
    const [text = ""] = await this.#gatherTexts(made);
    // proof: rank 0 runs the same program
    return JSON.parse(text) as T;
  }

  /** Gives every rank the arrays of rank 0. */
  async takeFromFirst(state: ParameterState, kinds: readonly StateKind[]): Promise<void> {
    const ranks = this.#ranks;
    if (ranks === null) return;
    for (const kind of kinds) {
      for (const name of kind === "values" ? state.names : state.trained) {
        const arrays = await state.read(kind, [name]);
        const array = arrays.get(name) ?? new Float32Array(0);
        await ranks.broadcast(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), 0);
        if (ranks.rank !== 0) await state.write(kind, arrays);
      }
    }
  }

  /** @throws RankError `ranks-differ` unless all ranks have the same weights, bit for bit */
  async assertSameWeights(state: ParameterState, step: number): Promise<void> {
    if (this.#ranks === null) return;
    const checksums: number[] = [];
    for (const name of state.names) {
      const values = (await state.read("values", [name])).get(name) ?? new Float32Array(0);
      checksums.push(crc32(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)));
    }
    const told = await this.#gather(checksums);
    for (const [rank, theirs] of told.entries()) {
      const at = checksums.findIndex((_, index) => theirs[index] !== told[0]?.[index]);
      if (at < 0) continue;
      const name = state.names[at];
      throw differ(rank, `after step ${step} rank ${rank} has another ${name} than rank 0`);
    }
  }

  /** Tells the other ranks that this one has failed. */
  abort(error: unknown): void {
    // What a communicator throws, all of them know.
    if (this.#ranks === null || error instanceof RankError) return;
    this.#ranks.abort(error instanceof Error ? error.message : String(error));
  }

  #assertShares(checksums: readonly number[]): void {
    if (this.#batches++ > 1) return;
    const [first = 0] = checksums;
    this.#same = first !== 0 && checksums.every((one) => one === first) ? this.#same + 1 : 0;
    if (this.#same < 2) return;
    throw new RankError("ranks-differ", null, "every rank reads the same rows", {
      suggestions: ["give rank and worldSize of the communicator to the data module"],
    });
  }

  async #gather(numbers: readonly number[]): Promise<readonly (readonly number[])[]> {
    const bytes = new Uint8Array(Float64Array.from(numbers).buffer);
    const told = (await this.#ranks?.allGather(bytes)) ?? [];
    return told.map((one) => [...new Float64Array(Uint8Array.from(one).buffer)]);
  }

  async #gatherTexts(text: string): Promise<readonly string[]> {
    const told = (await this.#ranks?.allGather(new TextEncoder().encode(text))) ?? [];
    return told.map((bytes) => new TextDecoder().decode(bytes));
  }
}

/** Numbers as text: exact, and JSON has no NaN. */
interface Told {
  readonly stop: StoppedBy | null;
  readonly numbers: readonly string[];
  readonly sums: Readonly<Record<string, string>>;
}

function textsOf(sums: Readonly<Record<string, number>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(sums).map(([name, value]) => [name, String(value)]));
}

/** Of the rows that a batch says it has; 0 for one that does not say. */
function rowsChecksum(batch: unknown): number {
  const rows = typeof batch === "object" && batch !== null && "rows" in batch ? batch.rows : null;
  if (!(rows instanceof Float64Array)) return 0;
  return crc32(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength)) + 1;
}

function differ(rank: number, message: string): RankError {
  return new RankError("ranks-differ", rank, message, {
    suggestions: [
      "run the same program with the same options on every rank",
      "processors of one kind: others may round differently",
    ],
  });
}
