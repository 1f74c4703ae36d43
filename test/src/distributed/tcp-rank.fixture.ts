/** One rank of a job: adds up an array and tells its parent what went wrong. */
import { RankError } from "../../../src/distributed/communicator.ts";
import { TcpCommunicator } from "../../../src/distributed/tcp/tcp-communicator.ts";

const [rank = 0, worldSize = 1, port = 0, timeoutMs = 60_000] = process.argv.slice(2).map(Number);
const point = { host: "127.0.0.1", port, job: "test" };
const communicator = await TcpCommunicator.join(point, {
  ...{ rank, worldSize, timeoutMs },
  meetMs: 60_000,
});
await communicator.barrier(60_000);
try {
  // Rank 1 never comes: it is killed.
  if (rank === 1) await new Promise((resolve) => setTimeout(resolve, 60_000));
  await communicator.allReduceSum([new Float32Array(10)]);
} catch (error) {
  if (error instanceof RankError) process.send?.({ code: error.code, rank: error.rank });
}
process.disconnect();
