/** One rank under mpirun: prints what each operation gave as a line of JSON. */
import { openCommunicator } from "../../../src/distributed/open-communicator.ts";

const wanted = process.argv[2];
const timeoutMs = wanted === "stopped" ? 300 : 20_000;
if (wanted === "absent" && process.env["OMPI_COMM_WORLD_RANK"] === "1") {
  // Until mpirun ends it.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
}
const meetMs = wanted === "absent" ? 2000 : 20_000;
const communicator = await openCommunicator({ timeoutMs, meetMs });
const { rank, worldSize, name } = communicator;

if (wanted === "dead" && rank === 1) process.kill(process.pid, "SIGKILL");
if (wanted === "stopped") {
  await communicator.barrier(20_000);
  if (rank === 1) process.kill(process.pid, "SIGSTOP");
  await communicator.barrier().catch((error) => {
    process.stderr.write(`rank ${rank}: ${error.message}\n`);
    process.exit(9);
  });
}
if (wanted === "fail" && rank === 1) {
  communicator.abort("no space left");
  process.stderr.write("rank 1: no space left\n");
  process.exit(7);
}

// 1e8 + 1 - 1e8 in another order is another number.
const array = Float32Array.from({ length: 400_003 }, (_, i) => (i % 13) * 10 ** (rank * 3));
let ticks = 0;
let ticking = setImmediate(function tick() {
  ticks++;
  ticking = setImmediate(tick);
});
await communicator.allReduceSum([array.subarray(0, 7), array.subarray(7)]);
clearImmediate(ticking);
const expected = (i: number) =>
  (i % 13) * [...Array(worldSize)].reduce((sum, _, r) => sum + 10 ** (3 * r), 0);
const isSum = array.every((value, i) => value === Math.fround(expected(i)));
const bytes = new Uint8Array(300).fill(rank + 1);
await communicator.broadcast(bytes, worldSize - 1);
const texts = [];
for (const length of [3, 252, 1000]) {
  const mine = new Uint8Array(length * rank + 1).fill(65 + rank);
  texts.push((await communicator.allGather(mine)).map((one) => [one.length, one.at(-1)]));
}
await communicator.barrier();
process.stdout.write(
  `${JSON.stringify({ rank, worldSize, name, isSum, byte: bytes[299], texts, ticks })}\n`,
);
await communicator.close();
