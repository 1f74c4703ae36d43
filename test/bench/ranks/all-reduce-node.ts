/** One process of several: adds up an array ten times, after two that do not count. */
import { openCommunicator } from "../built.ts";

const floats = Number(process.argv[2]);
await using communicator = await openCommunicator();
const { rank } = communicator;
const array = new Float32Array(floats);
const seconds: number[] = [];
for (let round = 0; round < 12; round++) {
  for (let i = 0; i < floats; i++) array[i] = (i % 7) + rank;
  await communicator.barrier();
  const begin = performance.now();
  await communicator.allReduceSum([array]);
  if (round >= 2) seconds.push((performance.now() - begin) / 1000);
}
const check = array.reduce((sum, value) => sum + value, 0);
if (rank === 0) console.log(JSON.stringify({ seconds, check }));
