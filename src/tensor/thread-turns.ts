/**
 * Turns between threads of a process, for a library that keeps one device for all of them and takes no
 * two calls at once. Memory that the threads share: the number of the thread whose turn it is, or 0.
 */
export type ThreadTurns = Int32Array<SharedArrayBuffer>;

export function newThreadTurns(): ThreadTurns {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** Waits, and blocks the thread `id` (not 0) meanwhile, until nobody else has the turn. */
export function takeTurn(turns: ThreadTurns, id: number): void {
  for (;;) {
    const holder = Atomics.compareExchange(turns, 0, 0, id);
    if (holder === 0) return;
    Atomics.wait(turns, 0, holder);
  }
}

/** Nothing where the thread does not have it. */
export function giveTurn(turns: ThreadTurns, id: number): void {
  if (Atomics.compareExchange(turns, 0, id, 0) === id) Atomics.notify(turns, 0);
}
