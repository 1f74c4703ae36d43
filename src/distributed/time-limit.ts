/** For one operation of all ranks, the waiting for the slowest included: that of torch with NCCL. */
export const OPERATION_MS = 600_000;

/** Timers know no longer time: 25 days. */
export const LONGEST_MS = 2 ** 31 - 1;

/** Rejects with the error when the work takes longer; more than {@link LONGEST_MS} is no limit. */
export async function withTimeout<T>(
  work: Promise<T>,
  timeoutMs: number,
  error: () => Error | Promise<Error>,
): Promise<T> {
  if (timeoutMs > LONGEST_MS) return work;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(async () => reject(await error()), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
