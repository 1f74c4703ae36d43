import { once } from "node:events";
import { createServer } from "node:net";
import type { Communicator } from "../../src/distributed/communicator.ts";
import { TcpCommunicator, type TcpOptions } from "../../src/distributed/tcp/tcp-communicator.ts";

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** All ranks of a job in this process, connected by TCP. */
export async function joinRanks(
  worldSize: number,
  options: Partial<TcpOptions> = {},
  port?: number,
): Promise<readonly TcpCommunicator[]> {
  const point = { host: "127.0.0.1", port: port ?? (await freePort()), job: "test" };
  return Promise.all(
    Array.from({ length: worldSize }, (_, rank) =>
      TcpCommunicator.join(point, { rank, worldSize, meetMs: 5000, ...options }),
    ),
  );
}

/** Does the same on every rank at once; what became of each, in their order. */
export async function settledOnRanks<T>(
  ranks: readonly Communicator[],
  work: (communicator: Communicator) => Promise<T>,
): Promise<PromiseSettledResult<T>[]> {
  const results = await Promise.allSettled(ranks.map(work));
  await Promise.all(ranks.map((one) => one.close()));
  return results;
}

/** The values of all; the first error otherwise. */
export function valuesOf<T>(results: readonly PromiseSettledResult<T>[]): T[] {
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
