/** Starts a command several times with torchrun's variables; the output is that of rank 0. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

const [count = "2", file = "", ...args] = process.argv.slice(2);
const server = createServer().listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
server.close();
const port = typeof address === "object" && address !== null ? address.port : 0;
const children = Array.from({ length: Number(count) }, (_, rank) =>
  spawn(file, args, {
    stdio: ["ignore", rank === 0 ? "inherit" : "ignore", "inherit"],
    env: {
      ...process.env,
      ...{ RANK: String(rank), WORLD_SIZE: count, LOCAL_RANK: String(rank) },
      ...{ LOCAL_WORLD_SIZE: count, MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port) },
    },
  }),
);
const codes = await Promise.all(
  children.map(async (child) => Number((await once(child, "exit"))[0] ?? 1)),
);
process.exitCode = Math.max(...codes);
