import type { EpochLimits } from "./epoch-limits.ts";
import { allEmpty, flushStages, type StageFactory, throughStages } from "./stage.ts";
import type { WebDataset } from "./web-dataset.ts";
import type { WebDatasetIterator } from "./web-dataset-iterator.ts";
import { pastTheEnd } from "./web-dataset-state.ts";
import { beginning, type WebLoaderState, type WorkerPlace } from "./web-loader-state.ts";

export interface WebLoaderPlan extends EpochLimits {
  /** One for each worker. */
  readonly datasets: readonly WebDataset<unknown>[];
  readonly stages: readonly StageFactory[];
  readonly fingerprint: string;
}

/** A worker in the middle of its share. */
interface Running {
  readonly worker: number;
  readonly items: WebDatasetIterator<unknown>;
}

/** The rest of one epoch of a {@link WebLoader}, and where it stands meanwhile. */
export class WebLoaderEpoch {
  readonly #plan: WebLoaderPlan;
  #state: WebLoaderState;

  constructor(plan: WebLoaderPlan, state: WebLoaderState) {
    this.#plan = plan;
    this.#state = state;
  }

  state(): WebLoaderState {
    return this.#state;
  }

  async *items(): AsyncGenerator<unknown, void> {
    const { passes, maxItems } = this.#plan;
    while (this.#state.passesDone < passes && this.#state.given < maxItems) {
      const { given: before, workers, items } = this.#state;
      const wasResumed = workers !== null || items > 0;
      yield* this.#pass();
      // A pass that gives nothing would be repeated forever.
      if (this.#state.given === before && !wasResumed) break;
    }
    const { epoch, pass, workers, items } = this.#state;
    // An epoch that was cut leaves the rest of its pass out.
    const nextPass = workers === null && items === 0 ? pass : pass + 1;
    this.#state = beginning(this.#plan.fingerprint, epoch + 1, nextPass);
  }

  async *#pass(): AsyncGenerator<unknown, void> {
    const { stages: factories, maxItems } = this.#plan;
    const stages = factories.map((factory) => factory.create(this.#state.pass));
    const running = this.#start();
    const places: WorkerPlace[] = running.map(({ worker }, i) => ({
      worker,
      state: this.#state.workers?.[i]?.state ?? null,
    }));
    let { last, items: toDrop } = this.#state;
    const isDone = () => stages.some((stage) => stage.isDone);
    try {
      while (running.length > 0 && !isDone()) {
        last = (last + 1) % running.length;
        // There is one at every position below the length.
        const { worker, items } = running[last] as Running;
        const next = await items.next();
        if (next.done === true) {
          running.splice(last, 1);
          places.splice(last, 1);
          // The worker after it has taken its place, and is next.
          last--;
          continue;
        }
        places[last] = { worker, state: items.state() };
        const out = await throughStages(stages, [next.value]);
        let left = out.length;
        for (const item of out) {
          left--;
          if (toDrop > 0) {
            toDrop--;
            continue;
          }
          this.#count(left === 0 && allEmpty(stages) ? { places, last } : null);
          yield item;
          if (this.#state.given >= maxItems) return;
        }
        if (out.length === 0 && allEmpty(stages)) this.#checkpoint({ places, last });
      }
      for (const item of await flushStages(stages)) {
        if (toDrop > 0) {
          toDrop--;
          continue;
        }
        this.#count(null);
        yield item;
        if (this.#state.given >= maxItems) return;
      }
      if (toDrop > 0) throw pastTheEnd(`${toDrop} more items than pass ${this.#state.pass} gives`);
    } finally {
      for (const { items } of running) await items.return();
    }
    this.#state = {
      ...this.#state,
      passesDone: this.#state.passesDone + 1,
      pass: this.#state.pass + 1,
      workers: null,
      last: -1,
      items: 0,
    };
  }

  /** The workers that have something left, in their turn. */
  #start(): Running[] {
    const { datasets } = this.#plan;
    const { pass, workers } = this.#state;
    const places = workers ?? datasets.map((_, worker) => ({ worker, state: null }));
    return places.map(({ worker, state }) => {
      // The fingerprint says how many workers there are.
      const dataset = datasets[worker] as WebDataset<unknown>;
      return { worker, items: dataset.iterate(state === null ? { pass } : { state }) };
    });
  }

  #count(checkpoint: Checkpoint | null): void {
    const { items, given } = this.#state;
    this.#state = { ...this.#state, items: items + 1, given: given + 1 };
    if (checkpoint !== null) this.#checkpoint(checkpoint);
  }

  #checkpoint({ places, last }: Checkpoint): void {
    this.#state = { ...this.#state, workers: [...places], last, items: 0 };
  }
}

interface Checkpoint {
  readonly places: readonly WorkerPlace[];
  readonly last: number;
}
