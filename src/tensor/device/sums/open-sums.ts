import type { Communicator } from "../../../distributed/communicator.ts";
import type { NcclLibrary } from "../../../distributed/nccl/nccl.ts";
import type { RequestThread } from "../../request-thread.ts";
import type { Answers, Request } from "../messages.ts";
import type { GradientMemory, GradientSums } from "./gradient-sums.ts";
import { HostSums } from "./host-sums.ts";
import { NcclSums } from "./nccl-sums.ts";

/** A state as its thread knows it. */
export interface SummedState {
  readonly thread: Pick<RequestThread<Request, Answers>, "send">;
  readonly state: number;
  /** Elements of the parameters that are trained, in the model's order. */
  readonly lengths: ReadonlyMap<string, number>;
}

/**
 * Chooses what adds up the gradients of a state; every rank calls it.
 * @returns null unless all ranks can do the same: one without NCCL, or with another version of it
 */
export async function openSums(
  ranks: Communicator,
  memory: GradientMemory | null,
  { thread, state, lengths }: SummedState,
): Promise<GradientSums | null> {
  const nccl = memory?.kind === "cuda" ? ncclOrNull(memory.nccl) : null;
  const mine = memory?.kind === "host" ? "host" : nccl === null ? "" : `nccl ${nccl.version}`;
  const told = await ranks.allGather(new TextEncoder().encode(lengths.size === 0 ? "" : mine));
  const offers = new Set(told.map((bytes) => new TextDecoder().decode(bytes)));
  if (mine === "" || offers.size !== 1 || !offers.has(mine)) return null;
  return nccl === null
    ? HostSums.open(ranks, thread, state, lengths)
    : NcclSums.open(ranks, thread, state, lengths, nccl);
}

function ncclOrNull(load: () => NcclLibrary): NcclLibrary | null {
  try {
    return load();
  } catch {
    return null;
  }
}
