import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { expect, test } from "vitest";
import type { RankError } from "../../../src/distributed/communicator.ts";
import { TcpCommunicator, type TcpOptions } from "../../../src/distributed/tcp/tcp-communicator.ts";
import { freePort } from "../../helpers/ranks.ts";

/** For ranks of one process that are all there: a pause of the process must not make them late. */
const MEET_MS = 1200;

/** Ranks that join at one place, and the error of each; null for one that met the others. */
async function join(
  port: number,
  processes: readonly (Partial<TcpOptions> & { readonly rank: number; readonly job?: string })[],
): Promise<readonly (RankError | null)[]> {
  const results = await Promise.allSettled(
    processes.map(({ job = "test", ...options }) =>
      TcpCommunicator.join(
        { host: "127.0.0.1", port, job },
        { worldSize: 3, meetMs: MEET_MS, ...options },
      ),
    ),
  );
  const met = results.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  await Promise.all(met.map((one) => one.close()));
  return results.map((one) => (one.status === "rejected" ? one.reason : null));
}

test.concurrent("every rank that has come says who has not", async () => {
  const port = await freePort();
  const told: string[] = [];
  const errors = await join(
    port,
    [0, 1].map((rank) => ({
      rank,
      noticeMs: 100,
      onWaiting: (ranks: readonly number[]) => told.push(`${rank}: ${ranks.join()}`),
    })),
  );
  const message = `rank 2 of 3 has not come to 127.0.0.1, port ${port}, in 1.2 s`;
  for (const error of errors)
    expect(error).toMatchObject({ code: "rendezvous-failed", rank: 2, message });
  expect(told).toEqual(expect.arrayContaining(["0: 2", "1: 2"]));
});

test.concurrent("who was turned away, and who looked elsewhere, say so, and rank 0 says what it saw", async () => {
  const port = await freePort();
  const [first, elsewhere, turnedAway] = await join(port, [
    { rank: 0 },
    { rank: 1, job: "another" },
    { rank: 2, worldSize: 2 },
  ]);
  const why = "it has 2 processes in its environment, rank 0 has 3";
  expect(first?.message).toBe(
    `ranks 1, 2 of 3 have not come to 127.0.0.1, port ${port}, in 1.2 s; a rank 2 was turned away: ${why}`,
  );
  expect(elsewhere?.message).toMatch(/^rank 1 did not find rank 0 at 127.0.0.1, port/);
  expect(elsewhere?.message).toContain(
    `something else listens, and says nothing to this job (port ${port})`,
  );
  expect(turnedAway?.message).toBe(`rank 0 turned rank 2 away: ${why}`);
});

test.concurrent("two processes of one rank: the second is told, the others meet", async () => {
  const port = await freePort();
  // The ranks that come to the second rank 0 first go on to the other one.
  const zero = await join(
    port,
    [
      { rank: 0, meetMs: 5000 },
      { rank: 0, meetMs: 5000 },
      { rank: 1, meetMs: 5000, worldSize: 2 },
    ].map((one) => ({ ...one, worldSize: 2 })),
  );
  expect(zero.map((error) => error?.message.slice(0, 21) ?? null)).toEqual([
    null,
    "rank 0 is there twice",
    null,
  ]);
  const one = await join(await freePort(), [{ rank: 0 }, { rank: 1 }, { rank: 1 }]);
  const messages = one.map((error) => error?.message ?? "");
  expect(messages[0]).toMatch(/^rank 2 of 3 has not come .*; a rank 1 was turned away: /);
  // One of the two has come, and hears what rank 0 says.
  const turnedAway = "rank 0 turned rank 1 away: rank 1 is there twice";
  expect(new Set(messages.slice(1))).toEqual(new Set([messages[0], turnedAway]));
});

test.concurrent("a rank that leaves the meeting may come again", async () => {
  const port = await freePort();
  const first = join(port, [{ rank: 0, worldSize: 2, meetMs: 5000 }]);
  const hello = { scdl: "rank", job: "test", rank: 1, worldSize: 2, line: "talk" };
  for (let left = 2; left > 0; left--) {
    const gone = connect(port, "127.0.0.1");
    gone.write(`${JSON.stringify(hello)}\n`);
    await once(gone, "data");
    gone.end();
    await once(gone, "close");
  }
  expect(await join(port, [{ rank: 1, worldSize: 2, meetMs: 5000 }])).toEqual([null]);
  expect(await first).toEqual([null]);
});

test.concurrent("where strangers have all ports a rank says what they say", async () => {
  const port = await freePort();
  const servers: Server[] = [];
  for (let offset = 0; offset < 8; offset++) {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.end("SSH-2.0-OpenSSH_9.6\r\n");
    });
    servers.push(server.listen(port + offset, "127.0.0.1"));
    await once(server, "listening");
  }
  const [zero, one] = await join(port, [{ rank: 0 }, { rank: 1 }]);
  expect(zero?.message).toMatch(/^rank 0 cannot listen at 127.0.0.1, port .*EADDRINUSE/);
  expect(one?.message).toContain(
    `something else listens, and says "SSH-2.0-OpenSSH_9.6\\r" (port ${port}, ${port + 1},`,
  );
  for (const server of servers) server.close();
});
