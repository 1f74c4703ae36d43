import { once } from "node:events";
import { createServer } from "node:net";
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
