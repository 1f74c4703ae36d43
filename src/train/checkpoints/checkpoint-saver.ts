import type { Checkpoint } from "./checkpoint.ts";
import type { CheckpointFiles, CheckpointInfo } from "./checkpoint-files.ts";

/** Writes the checkpoints of a run, beside its steps where asked for; at most one at a time. */
export class CheckpointSaver {
  readonly #files: Pick<CheckpointFiles, "save" | "saveInBackground">;
  readonly #isAsync: boolean;
  readonly #onSaved: (checkpoint: CheckpointInfo) => void;
  #newest: string | null;
  #inFlight: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;

  /**
   * @param newest the checkpoint that the run goes on from
   * @param onSaved told of a checkpoint once it is whole
   */
  constructor(
    files: Pick<CheckpointFiles, "save" | "saveInBackground">,
    options: {
      readonly isAsync: boolean;
      readonly newest: string | null;
      readonly onSaved: (checkpoint: CheckpointInfo) => void;
    },
  ) {
    this.#files = files;
    this.#isAsync = options.isAsync;
    this.#newest = options.newest;
    this.#onSaved = options.onSaved;
  }

  /** The newest whole one that is kept. */
  get newest(): string | null {
    return this.#newest;
  }

  /** Throws what a write in the background met. */
  check(): void {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure.error;
  }

  /** Takes a checkpoint over, once the one before is whole. @throws StorageError, of the one before too */
  async save(take: () => Promise<Checkpoint>): Promise<void> {
    await this.finish();
    const checkpoint = await take();
    const { step } = checkpoint.trainer;
    if (!this.#isAsync) {
      this.#saved(step, this.#files.save(checkpoint));
      return;
    }
    this.#inFlight = this.#files
      .saveInBackground(checkpoint)
      .then((kept) => this.#saved(step, kept))
      .catch((error: unknown) => {
        this.#failure = { error };
      });
  }

  /** Waits for the write in progress. */
  async settle(): Promise<void> {
    await this.#inFlight;
    this.#inFlight = null;
  }

  /** Waits for the write in progress. @throws what it met */
  async finish(): Promise<void> {
    await this.settle();
    this.check();
  }

  #saved(step: number, kept: readonly CheckpointInfo[]): void {
    this.#newest = kept.at(-1)?.path ?? null;
    const saved = kept.find((info) => info.step === step);
    if (saved !== undefined) this.#onSaved(saved);
  }
}
