import type { ResumableBatches } from "../data/data-module.ts";

/**
 * The batches of as many epochs as are asked for; `place.epoch` counts those that have ended.
 * @param ended the error to throw when an epoch has no batch
 */
export async function* epochsOf<B>(
  loader: ResumableBatches<B>,
  place: { epoch: number },
  ended: () => Promise<Error>,
): AsyncGenerator<B, never, undefined> {
  for (;;) {
    let isEmpty = true;
    for await (const batch of loader) {
      isEmpty = false;
      yield batch;
    }
    // A resumed run may begin at the end of an epoch.
    if (isEmpty && place.epoch > 0) throw await ended();
    place.epoch++;
  }
}
