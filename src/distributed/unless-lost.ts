/**
 * The result of work, or at once the error of the ranks when they cannot go on together: whoever waits
 * for a step need not see its end first.
 *
 * @param failure of the communicator
 */
export async function unlessLost<T>(failure: AbortSignal, work: Promise<T>): Promise<T> {
  let stop: (() => void) | undefined;
  const lost = new Promise<never>((_, reject) => {
    stop = () => reject(failure.reason);
    if (failure.aborted) stop();
    failure.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, lost]);
  } finally {
    if (stop !== undefined) failure.removeEventListener("abort", stop);
  }
}
