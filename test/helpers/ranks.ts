import { once } from "node:events";
import { createServer } from "node:net";
import type { Communicator } from "../../src/distributed/communicator.ts";
import { PORTS } from "../../src/distributed/tcp/meeting.ts";
import { TcpCommunicator, type TcpOptions } from "../../src/distributed/tcp/tcp-communicator.ts";

/**
 * The first of eight ports, as many as ranks try, that were free a moment ago. Not those that the
 * system gives to connections, of which other tests have many; and no two blocks overlap, else ranks
 * of one test would meet those of another.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const first = 10_000 + PORTS * Math.floor(Math.random() * 2750);
    if (await areFree(Array.from({ length: PORTS }, (_, offset) => first + offset))) return first;
  }
  throw new Error("no eight ports below 32000 are free");
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  const servers = ports.map((port) => createServer().listen(port, "127.0.0.1"));
  const listening = await Promise.allSettled(servers.map((server) => once(server, "listening")));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return listening.every(({ status }) => status === "fulfilled");
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
