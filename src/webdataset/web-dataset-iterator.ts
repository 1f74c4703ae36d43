import { IncompatibleError, NotFoundError } from "../../formats/common/errors.ts";
import { sharedTurn } from "../../formats/common/turn.ts";
import type { EpochLimits } from "./epoch-limits.ts";
import type { ErrorHandler } from "./error-handler.ts";
import type { ShardAccess } from "./open-shard.ts";
import { ShuffleStage } from "./order-stages.ts";
import type { Sample } from "./sample-reader.ts";
import type { ShardPlace } from "./shard-identity.ts";
import { assertShare, type ShardOrder, shardsOfPass } from "./shard-order.ts";
import { SampleReference, ShardSource } from "./shard-source.ts";
import { allEmpty, flushStages, type Stage, type StageFactory, throughStages } from "./stage.ts";
import { pastTheEnd, type WebDatasetState } from "./web-dataset-state.ts";

export interface IterationPlan extends EpochLimits {
  readonly order: ShardOrder;
  readonly access: ShardAccess;
  readonly handler: ErrorHandler;
  readonly emptyCheck: boolean;
  /** Shuffles directly after the shards; they hold references while a state is replayed. */
  readonly shuffles: readonly StageFactory[];
  readonly stages: readonly StageFactory[];
  readonly fingerprint: string;
  readonly onPass: (pass: number) => void;
}

/** One iteration over a {@link WebDataset}: `for await`, or `next()` and `state()` between. */
export class WebDatasetIterator<T> implements AsyncIterableIterator<T, undefined> {
  readonly #plan: IterationPlan;
  readonly #items: AsyncGenerator<T, undefined>;
  readonly #firstPass: number;
  #pass: number;
  #samples = 0;
  #place: ShardPlace | null = null;
  #itemsSince = 0;
  #given = 0;

  constructor(plan: IterationPlan, firstPass: number, state: WebDatasetState | null) {
    this.#plan = plan;
    this.#firstPass = state?.firstPass ?? firstPass;
    this.#pass = state?.pass ?? firstPass;
    this.#samples = state?.samples ?? 0;
    this.#place = state?.place ?? null;
    this.#itemsSince = state?.items ?? 0;
    this.#given = state?.given ?? 0;
    this.#items = this.#run();
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return this.#items.next();
  }

  return(): Promise<IteratorResult<T, undefined>> {
    return this.#items.return(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Where to go on: after the item that was given last. */
  state(): WebDatasetState {
    return {
      kind: "webdataset",
      version: 1,
      fingerprint: this.#plan.fingerprint,
      firstPass: this.#firstPass,
      pass: this.#pass,
      samples: this.#samples,
      place: this.#place,
      items: this.#itemsSince,
      given: this.#given,
    };
  }

  async *#run(): AsyncGenerator<T, undefined> {
    const { passes, maxItems, emptyCheck, order } = this.#plan;
    if (emptyCheck) assertShare(order);
    while (this.#pass - this.#firstPass < passes) {
      if (this.#given >= maxItems) return;
      const before = this.#given;
      const resumed = this.#samples > 0 || this.#itemsSince > 0;
      this.#plan.onPass(this.#pass);
      yield* this.#runPass();
      // A pass that gives nothing would be repeated forever.
      if (this.#given === before && !resumed) return;
      this.#pass++;
      this.#samples = 0;
      this.#place = null;
      this.#itemsSince = 0;
    }
  }

  async *#runPass(): AsyncGenerator<T, undefined> {
    const plan = this.#plan;
    const shuffles = plan.shuffles.map((factory) => factory.create(this.#pass));
    const stages = plan.stages.map((factory) => factory.create(this.#pass));
    const urls = shardsOfPass(plan.order, this.#pass);
    const source = new ShardSource(urls, plan.access, plan.handler, fruitlessShards(plan.order));
    const { signal } = plan.access;
    let toDrop = this.#itemsSince;
    let fed = this.#samples;
    const isDone = () => stages.some((stage) => stage.isDone);

    try {
      const replayed = await replay(source, shuffles, fed, this.#place);
      let pending = replayed.samples;
      let ended = replayed.ended;
      let isEmptyPass = fed === 0;
      while (!isDone()) {
        for (const sample of pending) {
          const items = await throughStages(stages, [sample]);
          fed++;
          if (items.length > 0 || !allEmpty(stages)) source.markFruitful();
          let left = items.length;
          for (const item of items) {
            left--;
            if (toDrop > 0) {
              toDrop--;
              continue;
            }
            this.#count(left === 0 && allEmpty(stages) ? source : null, fed);
            // The types of the steps were checked where they were joined.
            yield item as T;
            if (this.#given >= plan.maxItems) return;
          }
          if (items.length === 0 && allEmpty(stages)) this.#checkpoint(source, fed);
          if (isDone()) break;
        }
        pending = [];
        if (ended || isDone()) break;
        // Samples come without waiting: timers, signals and sockets would wait for the last.
        if (sharedTurn.isOver) await sharedTurn.pass(signal);
        const next = source.read();
        const sample = next instanceof Promise ? await next : next;
        if (sample === null) {
          ended = true;
          pending = await flushStages(shuffles);
        } else {
          isEmptyPass = false;
          pending = shuffles.length === 0 ? [sample] : await throughStages(shuffles, [sample]);
          if (pending.length === 0) source.markFruitful();
        }
      }
      if (isEmptyPass && ended && plan.emptyCheck) throw noSamples(plan.order);
      for (const item of await flushStages(stages)) {
        if (toDrop > 0) {
          toDrop--;
          continue;
        }
        this.#count(null, fed);
        yield item as T;
        if (this.#given >= plan.maxItems) return;
      }
      if (toDrop > 0) throw pastTheEnd(`${toDrop} more items than pass ${this.#pass} gives`);
    } finally {
      source.close();
    }
  }

  /** @param resumable the source, when the stages hold nothing */
  #count(resumable: ShardSource | null, fed: number): void {
    this.#given++;
    if (resumable !== null) this.#checkpoint(resumable, fed);
    else this.#itemsSince++;
  }

  #checkpoint(source: ShardSource, fed: number): void {
    this.#samples = fed;
    this.#place = source.place;
    this.#itemsSince = 0;
  }
}

/**
 * Brings source and shuffles to where they had given `count` samples, from the numbers of samples
 * alone; only what the shuffles then hold is read.
 */
async function replay(
  source: ShardSource,
  shuffles: readonly Stage[],
  count: number,
  place: ShardPlace | null,
): Promise<{ samples: unknown[]; ended: boolean }> {
  if (count === 0) return { samples: [], ended: false };
  let samples: unknown[] = [];
  let ended = false;
  if (shuffles.length === 0) {
    assertReached(await source.skip(count), count);
    if (place !== null) await source.assertAt(place);
  } else {
    let left = count;
    while (left > 0 && !ended) {
      const reference = await source.nextReference();
      ended = reference === null;
      samples =
        reference === null
          ? await flushStages(shuffles)
          : await throughStages(shuffles, [reference]);
      const dropped = Math.min(left, samples.length);
      left -= dropped;
      samples = samples.slice(dropped);
    }
    assertReached(count - left, count);
    if (place !== null) await source.assertAt(place);
    samples = await loadHeld(source, shuffles, samples);
  }
  if (!ended) await source.startReading();
  return { samples, ended };
}

function assertReached(found: number, count: number): void {
  if (found >= count) return;
  throw new IncompatibleError(
    "state-mismatch",
    `the state is of a pass of at least ${count} samples, the shards hold ${found}`,
    { suggestions: ["use the shards that the state was taken with", "start a new epoch"] },
  );
}

/** Reads what is still referred to, in the shuffles and on its way out of them. */
async function loadHeld(
  source: ShardSource,
  shuffles: readonly Stage[],
  samples: readonly unknown[],
): Promise<unknown[]> {
  const isReference = (item: unknown) => item instanceof SampleReference;
  const held = shuffles.filter((stage) => stage instanceof ShuffleStage).map((stage) => stage.held);
  const loaded = await source.load([...samples, ...held.flat()].filter(isReference));
  const replaced = (item: unknown): Sample | unknown =>
    item instanceof SampleReference ? loaded.get(item) : item;
  for (const items of held) {
    for (let i = 0; i < items.length; i++) items[i] = replaced(items[i]);
  }
  return samples.map(replaced);
}

/** Drawn with replacement, each shard is among so many with all but certainty. */
const DRAWS_PER_SHARD = 20;

/** How many shards may give nothing, one after another: only drawn ones never end. */
function fruitlessShards({ resampled, urls }: ShardOrder): number {
  return resampled ? DRAWS_PER_SHARD * urls.length : Number.POSITIVE_INFINITY;
}

function noSamples(order: ShardOrder): NotFoundError {
  return new NotFoundError(
    "no-samples",
    `no samples in ${order.urls.length} shards (worker ${order.worker} of ${order.numWorkers})`,
    {
      what: "samples",
      suggestions: [
        "check that the shards hold files named <key>.<extension>",
        "pass emptyCheck: false if shards may be empty",
      ],
    },
  );
}
