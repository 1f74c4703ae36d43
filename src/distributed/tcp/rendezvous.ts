import { callRankZero } from "./call-rank-zero.ts";
import { type Lines, type MeetingPoint, type MeetOptions, WaitingNotice } from "./meeting.ts";
import { receiveAll } from "./receive-ranks.ts";

/**
 * Connects every rank with rank 0; ends when all are there.
 * @throws RankError `rendezvous-failed` with who is missing, or why this process was turned away
 */
export async function meet(point: MeetingPoint, options: MeetOptions): Promise<Lines> {
  const notice = new WaitingNotice(options);
  try {
    return await (options.rank === 0
      ? receiveAll(point, options, notice)
      : callRankZero(point, options, notice));
  } finally {
    notice.close();
  }
}
