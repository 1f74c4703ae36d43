/**
 * What a thread and its owner tell each other without messages: memory that both share. Libraries may
 * end the process, with its exit code and a word of C++, when the thread is ended in a call of them; so
 * do `process.exit()` and an error that nobody catches, which end threads wherever they are.
 */
export type ThreadCalls = Int32Array<SharedArrayBuffer>;

const CLOSING = 0;
const AT_WORK = 1;

/** For one that hangs: the process is then left to end as it can. */
const MOST_MS = 60_000;

export function newThreadCalls(): ThreadCalls {
  return new Int32Array(new SharedArrayBuffer(8));
}

/** From now on no call is begun. */
export function stopCalls(calls: ThreadCalls): void {
  Atomics.store(calls, CLOSING, 1);
}

/** In the thread: false when it must not begin; else {@link endCall} is called after it. */
export function beginCall(calls: ThreadCalls): boolean {
  Atomics.store(calls, AT_WORK, 1);
  if (Atomics.load(calls, CLOSING) === 0) return true;
  endCall(calls);
  return false;
}

export function endCall(calls: ThreadCalls): void {
  Atomics.store(calls, AT_WORK, 0);
  Atomics.notify(calls, AT_WORK);
}

const awaited = new Set<ThreadCalls>();

/** The end of this process waits for the call that is under way. Returns what takes that back. */
export function awaitCallAtExit(calls: ThreadCalls): () => void {
  if (awaited.size === 0) process.on("exit", awaitCalls);
  awaited.add(calls);
  return () => {
    if (awaited.delete(calls) && awaited.size === 0) process.off("exit", awaitCalls);
  };
}

function awaitCalls(): void {
  for (const calls of awaited) stopCalls(calls);
  for (const calls of awaited) Atomics.wait(calls, AT_WORK, 1, MOST_MS);
}
