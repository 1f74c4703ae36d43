import { fork } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { RankError } from "../../../src/distributed/communicator.ts";
import { TcpCommunicator, type TcpOptions } from "../../../src/distributed/tcp/tcp-communicator.ts";
import { freePort, joinRanks } from "../../helpers/ranks.ts";

const open: TcpCommunicator[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function ranks(worldSize: number, options: Partial<TcpOptions> = {}, port?: number) {
  const joined = await joinRanks(worldSize, options, port);
  open.push(...joined);
  return joined;
}

async function errorOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

const bits = (array: Float32Array) => [...new Uint32Array(array.slice().buffer)];

test.each([2, 3, 4])("%i ranks add up arrays: the sum, and the same bits everywhere", async (n) => {
  const all = await ranks(n, { bucketFloats: 64 });
  // Values of very different size, so that the order of additions shows in the bits.
  const value = (rank: number, i: number) =>
    Math.sin(31 * i + 7 * rank) * 10 ** ((i + 5 * rank) % 9);
  const lengths = [1, 0, 130, 63, 2];
  const arrays = all.map(({ rank }) =>
    lengths.map((length, at) => Float32Array.from({ length }, (_, i) => value(rank, i + at))),
  );
  const sums = lengths.map((length, at) =>
    Float64Array.from({ length }, (_, i) =>
      all.reduce((sum, { rank }) => sum + Math.fround(value(rank, i + at)), 0),
    ),
  );
  for (let round = 0; round < 2; round++) {
    const copies = arrays.map((mine) => mine.map((array) => array.slice()));
    await Promise.all(all.map((one, rank) => one.allReduceSum(copies[rank] ?? [])));
    for (const mine of copies) {
      expect(mine.map(bits)).toEqual(copies[0]?.map(bits));
    }
    for (const [at, sum] of sums.entries()) {
      for (const [i, expected] of sum.entries()) {
        const scale = Math.max(...arrays.map((mine) => Math.abs(mine[at]?.[i] ?? 0)));
        expect(Math.abs((copies[0]?.[at]?.[i] ?? Number.NaN) - expected)).toBeLessThan(
          1e-6 * scale,
        );
      }
    }
  }
});

test("messages of different lengths come by rank, bytes of any root go to all", async () => {
  const all = await ranks(3);
  const texts = ["", "one", "a longer one"];
  const gathered = await Promise.all(
    all.map((one) => one.allGather(new TextEncoder().encode(texts[one.rank]))),
  );
  for (const messages of gathered) {
    expect(messages.map((bytes) => new TextDecoder().decode(bytes))).toEqual(texts);
  }
  for (const root of [0, 1, 2]) {
    const bytes = all.map(({ rank }) => new Uint8Array(700_001).fill(rank + 1));
    await Promise.all(all.map((one, rank) => one.broadcast(bytes[rank] as Uint8Array, root)));
    for (const mine of bytes) expect(mine.every((byte) => byte === root + 1)).toBe(true);
  }
  await Promise.all(all.map((one) => one.barrier()));
});

test("gradients in shared memory, as executors have them, are added up in place", async () => {
  const all = await ranks(2);
  const arrays = all.map(({ rank }) => {
    const array = new Float32Array(new SharedArrayBuffer(4 * 400_000));
    return array.fill(rank + 1, 1, 399_999);
  });
  await Promise.all(all.map((one, rank) => one.allReduceSum([arrays[rank] as Float32Array])));
  for (const array of arrays) {
    expect(array.subarray(1, 399_999).every((value) => value === 3)).toBe(true);
    expect([array[0], array[399_999]]).toEqual([0, 0]);
  }
});

test("a rank that fails says why on every other one", async () => {
  const all = await ranks(3);
  const waiting = [0, 2].map((rank) => errorOf((all[rank] as TcpCommunicator).barrier()));
  all[1]?.abort("no space left");
  for (const error of await Promise.all(waiting)) {
    expect(error).toBeInstanceOf(RankError);
    expect(error).toMatchObject({
      code: "rank-failed",
      rank: 1,
      message: "rank 1 has failed: no space left",
    });
  }
  // Later operations, too, also of a rank that was busy with something else.
  const later = await errorOf((all[0] as TcpCommunicator).allReduceSum([new Float32Array(3)]));
  expect(later).toMatchObject({ code: "rank-failed", rank: 1 });
});

test("ranks that do different things are told apart", async () => {
  const [a, b] = await ranks(2);
  const kinds = [a?.barrier(), b?.allGather(new Uint8Array(1))].map((work) =>
    errorOf(work as Promise<unknown>),
  );
  expect((await Promise.all(kinds)).map((error) => (error as RankError).code)).toEqual([
    "ranks-differ",
    "ranks-differ",
  ]);
  const [c, d] = await ranks(2);
  const lengths = [c, d].map((one, rank) =>
    errorOf(one?.allReduceSum([new Float32Array(3 + rank)]) as Promise<void>),
  );
  const [error] = await Promise.all(lengths);
  expect(error).toMatchObject({ code: "ranks-differ" });
  expect((error as Error).message).toMatch(/rank [01] gives [34] values, rank [01] [34]/);
});

test("a rank that left early and one that does not come are named", async () => {
  const [a, b, c] = await ranks(3);
  await b?.close();
  expect(await errorOf(a?.barrier() as Promise<void>)).toMatchObject({
    code: "rank-lost",
    rank: 1,
    message: "rank 1 has left before the others",
  });
  expect(await errorOf(c?.barrier() as Promise<void>)).toMatchObject({ rank: 1 });
  const [d] = await ranks(2, { timeoutMs: 60 });
  expect(await errorOf(d?.barrier() as Promise<void>)).toMatchObject({
    code: "rank-timeout",
    rank: 1,
    message: expect.stringMatching(/operation 1 \(barrier\) .*; not yet there: rank 1$/),
  });
});

test("ports that others hold are passed over, strangers turned away", async () => {
  const stranger = createServer((socket) => socket.resume());
  stranger.listen(0, "127.0.0.1");
  await once(stranger, "listening");
  const address = stranger.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const joining = ranks(2, {}, port);
  const noise = connect(port + 1, "127.0.0.1").on("error", () => {});
  noise.write("GET / HTTP/1.1\r\n\r\n");
  const all = await joining;
  await Promise.all(all.map((one) => one.barrier()));
  noise.destroy();
  stranger.close();
});

test("a killed rank is noticed by all others at once, and named", async () => {
  const port = await freePort();
  const children = [1, 2].map((rank) =>
    fork(new URL("./tcp-rank.fixture.ts", import.meta.url), [String(rank), "3", String(port)]),
  );
  const here = await TcpCommunicator.join(
    { host: "127.0.0.1", port, job: "test" },
    { rank: 0, worldSize: 3 },
  );
  await here.barrier();
  const waiting = errorOf(here.allReduceSum([new Float32Array(10)]));
  const told = once(children[1] as NonNullable<(typeof children)[1]>, "message");
  children[0]?.kill("SIGKILL");
  const expected = { code: "rank-lost", rank: 1 };
  expect(await waiting).toMatchObject(expected);
  expect((await told)[0]).toMatchObject(expected);
});

test("a rank that is stopped, neither dead nor working, is named when an operation is late", async () => {
  const port = await freePort();
  const limit = "400";
  const children = [1, 2].map((rank) =>
    fork(new URL("./tcp-rank.fixture.ts", import.meta.url), [
      ...[String(rank), "3", String(port), limit],
    ]),
  );
  const here = await TcpCommunicator.join(
    { host: "127.0.0.1", port, job: "test" },
    { rank: 0, worldSize: 3, timeoutMs: Number(limit), meetMs: 60_000 },
  );
  await here.barrier(60_000);
  children[0]?.kill("SIGSTOP");
  const told = once(children[1] as NonNullable<(typeof children)[1]>, "message");
  const error = await errorOf(here.allReduceSum([new Float32Array(10)]));
  expect(error).toMatchObject({
    code: "rank-timeout",
    rank: 1,
    message: expect.stringMatching(/\(all-reduce\) took longer than 0.4 s; no answer from rank 1$/),
  });
  expect(here.failure.reason).toBe(error);
  expect((await told)[0]).toEqual({ code: "rank-timeout", rank: 1 });
  children[0]?.kill("SIGKILL");
});
