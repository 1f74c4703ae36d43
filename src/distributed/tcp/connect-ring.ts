import { createServer, type Socket } from "node:net";
import { RankError } from "../communicator.ts";
import { withTimeout } from "../time-limit.ts";
import { call } from "./call.ts";
import { firstLine, isHello, sendLine } from "./hello.ts";
import { listen } from "./receive-ranks.ts";
import type { Ring } from "./ring.ts";
import type { Operation, Star } from "./star.ts";
import { Wire } from "./wire.ts";

/**
 * Connects every rank with the next one, at addresses that the ranks tell each other over the star.
 * @param address of this computer, as other ranks reach it
 */
export async function connectRing(
  star: Star,
  operation: Operation,
  {
    address,
    job,
    timeoutMs,
  }: { readonly address: string; readonly job: string; readonly timeoutMs: number },
): Promise<Ring> {
  const { rank, worldSize } = star;
  const [nextRank, previousRank] = [(rank + 1) % worldSize, (rank - 1 + worldSize) % worldSize];
  const server = createServer();
  const coming = new Promise<Socket>((resolve) => {
    server.on("connection", (socket) => {
      socket.on("error", () => {});
      void firstLine(socket, timeoutMs).then((hello) => {
        const isPrevious = isHello(hello) && hello.job === job && hello.line === "ring";
        if (!isPrevious || hello.rank !== previousRank) {
          socket.destroy();
          return;
        }
        sendLine(socket, { ok: true });
        resolve(socket);
      });
    });
  });
  await listen(server, 0, address);
  const here = server.address();
  const port = typeof here === "object" && here !== null ? here.port : 0;
  const failed = (other: number): RankError =>
    new RankError("rendezvous-failed", other, `rank ${rank} and rank ${other} cannot connect`, {
      suggestions: [`check that rank ${other}'s computer reaches ${address}, port ${port}`],
    });
  try {
    const text = JSON.stringify({ host: address, port });
    const places = await star.gather(operation, new TextEncoder().encode(text));
    // proof: written three lines above, by the same program on another rank
    const to = JSON.parse(new TextDecoder().decode(places[nextRank])) as {
      readonly host: string;
      readonly port: number;
    };
    const hello = { scdl: "rank", job, rank, worldSize, line: "ring" } as const;
    const [next, previous] = await Promise.all([
      call(to, hello, performance.now() + timeoutMs),
      withTimeout(coming, timeoutMs, () => failed(previousRank)),
    ]);
    if (next === null) throw failed(nextRank);
    const [nextWire, previousWire] = [new Wire(next, nextRank), new Wire(previous, previousRank)];
    return { rank, worldSize, next: nextWire, previous: previousWire };
  } finally {
    server.close();
  }
}
