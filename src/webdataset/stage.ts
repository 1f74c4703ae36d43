/** What happens to samples between the shards and the user: one step each, made anew for a pass. */

export interface Stage {
  /** Takes one item and appends what comes of it. A promise where the user's function waits. */
  push(item: unknown, out: unknown[]): void | Promise<void>;
  /** At the end of a pass: appends what was held back. */
  flush(out: unknown[]): void;
  /** Nothing that was pushed is held back, and nothing was counted: reading may resume here. */
  readonly isEmpty: boolean;
  /** Nothing more will come out. */
  readonly isDone: boolean;
}

export interface StageFactory {
  /** Name and numbers of the stage: a saved state fits only the same stages. */
  readonly signature: string;
  /** @param pass 0 for the first pass over the data. */
  create(pass: number): Stage;
}

/** A step that turns each item into some, holding nothing back. */
export function oneByOne(
  signature: string,
  push: (item: unknown, out: unknown[]) => void | Promise<void>,
): StageFactory {
  const stage: Stage = { push, flush: () => {}, isEmpty: true, isDone: false };
  return { signature, create: () => stage };
}

/** Feeds items through stages, one stage after the other. */
export async function throughStages(
  stages: readonly Stage[],
  items: unknown[],
): Promise<unknown[]> {
  let current = items;
  for (const stage of stages) {
    if (current.length === 0) break;
    const next: unknown[] = [];
    for (const item of current) {
      if (stage.isDone) break;
      const pending = stage.push(item, next);
      if (pending !== undefined) await pending;
    }
    current = next;
  }
  return current;
}

/** The end of a pass: each stage gives what it holds to those after it. */
export async function flushStages(stages: readonly Stage[]): Promise<unknown[]> {
  let current: unknown[] = [];
  for (const [i, stage] of stages.entries()) {
    current = await throughStages([stage], current);
    stage.flush(current);
    // A stage that is done has already ended those before it.
    if (stages.slice(i + 1).some((later) => later.isDone)) current = [];
  }
  return current;
}

/** Whether no stage holds anything back. */
export function allEmpty(stages: readonly Stage[]): boolean {
  for (const stage of stages) if (!stage.isEmpty) return false;
  return true;
}
