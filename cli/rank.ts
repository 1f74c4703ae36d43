import { processPlace } from "../src/distributed/environment.ts";

/** Which of several processes this is; null when it is alone, or the environment makes no sense. */
export function rankOfProcess(): number | null {
  try {
    const { rank, worldSize } = processPlace();
    return worldSize === 1 ? null : rank;
  } catch {
    // The command says what is wrong with it.
    return null;
  }
}

/** Before an error: several processes write to one terminal. */
export function rankPrefix(): string {
  const rank = rankOfProcess();
  return rank === null ? "" : `rank ${rank}: `;
}
