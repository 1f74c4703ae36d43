/** Runs asked for before the values of the first are there, so that a device does not wait for the host. */
import type { Executor } from "./executor.ts";

/** An item, and what asking for it came to. */
export interface Answered<I, A> {
  readonly item: I;
  readonly answer: A;
}

/** Forward passes to ask an executor for before the values of the first are there. */
export function runsAhead({
  stepsInFlight = 1,
  runsInFlight = stepsInFlight,
}: Pick<Executor, "stepsInFlight" | "runsInFlight">): number {
  return runsInFlight;
}

/**
 * Asks for item after item, one at a time, and gives what each came to, in order. No more than `limit`
 * are asked for and not given; with 1 nothing is asked ahead.
 *
 * An error in an answer comes in its place, and nothing is asked for after it. An error of the items, or
 * in asking, comes after the answers to what was asked before. What is ahead then, or where the caller
 * leaves, is not waited for.
 *
 * @param ask resolves when the next may be asked for, with what waits for the answer
 */
export async function* askAhead<I, A>(
  items: Iterable<I> | AsyncIterable<I>,
  ask: (item: I) => Promise<() => Promise<A>>,
  limit: number,
): AsyncGenerator<Answered<I, A>, void, undefined> {
  const ahead: Asked<I, A>[] = [];
  for await (const asked of asking(items, ask)) {
    ahead.push(asked);
    if (ahead.length >= limit) yield (await ahead.shift()?.()) as Answered<I, A>; // proof: it has one
  }
  for (const asked of ahead) yield await asked();
}

type Asked<I, A> = () => Promise<Answered<I, A>>;

async function* asking<I, A>(
  items: Iterable<I> | AsyncIterable<I>,
  ask: (item: I) => Promise<() => Promise<A>>,
): AsyncGenerator<Asked<I, A>, void, undefined> {
  try {
    for await (const item of items) {
      const answer = await ask(item);
      yield async () => ({ item, answer: await answer() });
    }
  } catch (error) {
    yield () => Promise.reject(error);
  }
}
