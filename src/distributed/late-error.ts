import { RankError } from "./communicator.ts";
import { seconds } from "./time-limit.ts";

/**
 * An operation that took too long, and for which rank.
 *
 * @param roll operations that each of the others has begun; null for one that does not answer
 */
export function lateError(
  { kind, number }: { readonly kind: string; readonly number: number },
  timeoutMs: number,
  roll: ReadonlyMap<number, number | null>,
): RankError {
  const ranks = [...roll.keys()].sort((a, b) => a - b);
  const silent = ranks.filter((rank) => roll.get(rank) === null);
  const behind = ranks.filter((rank) => (roll.get(rank) ?? number + 1) <= number);
  const [blamed, why] =
    silent.length > 0 ? [silent, "no answer from rank"] : [behind, "not yet there: rank"];
  const whose = blamed.length === 0 ? "" : `; ${why} ${blamed.join(", ")}`;
  const hint =
    silent.length > 0
      ? `look at the process of rank ${silent.join(", ")}: it is stopped, or hangs in a call`
      : "a rank is slower than that: give a larger timeoutMs (--rank-timeout)";
  const message = `operation ${number} (${kind}) took longer than ${seconds(timeoutMs)}${whose}`;
  return new RankError("rank-timeout", blamed[0] ?? null, message, { suggestions: [hint] });
}
