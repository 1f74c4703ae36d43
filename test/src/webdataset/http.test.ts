import { existsSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebDataset, type WebDatasetOptions } from "../../../src/webdataset/web-dataset.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { keysOf, loadOrders } from "../../helpers/webdataset-orders.ts";

const orders = loadOrders();
const shards = Object.entries(orders.files).map(([name, base64]) => ({
  name,
  bytes: Buffer.from(base64, "base64"),
}));
const KEYS = orders.samples.map(({ __key__ }) => __key__);
const FAST = { retryDelayMs: 1, retries: 3 };

type Answer = (request: IncomingMessage, response: ServerResponse, bytes: Buffer) => void;

/** A server of the shards on this machine; `answer` says how. Requests are listed as "name range". */
async function serve(answer: Answer = whole): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    const name = request.url?.slice(1) ?? "";
    requests.push(`${name} ${request.headers.range ?? "all"}`);
    const shard = shards.find((candidate) => name === candidate.name);
    if (shard === undefined) response.writeHead(404).end();
    else answer(request, response, shard.bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  onTestFinished(() => server.closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/w-{000000..000006}.tar`, requests };
}

/** Honours ranges. */
const whole: Answer = (request, response, bytes) => {
  const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const headers = { etag: '"1"', "content-length": bytes.length - begin };
  if (begin === 0) response.writeHead(200, headers);
  else {
    const range = `bytes ${begin}-${bytes.length - 1}/${bytes.length}`;
    response.writeHead(206, { ...headers, "content-range": range });
  }
  response.end(bytes.subarray(begin));
};

function read(url: string, options: WebDatasetOptions = {}): Promise<string[]> {
  return keysOf(new WebDataset(url, { http: FAST, ...options }));
}

describe("shards over http", () => {
  test("are read in one request each", async () => {
    const { url, requests } = await serve();
    expect(await read(url)).toEqual(KEYS);
    expect(requests).toEqual(shards.map(({ name }) => `${name} all`));
  });

  test("a connection that breaks is taken up at the byte where it broke", async () => {
    const { url, requests } = await serve((request, response, bytes) => {
      const begin = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(begin === 0 ? 200 : 206, {
        etag: '"1"',
        "content-length": bytes.length - begin,
        ...(begin === 0
          ? {}
          : { "content-range": `bytes ${begin}-${bytes.length - 1}/${bytes.length}` }),
      });
      response.write(bytes.subarray(begin, begin + 9000), () => response.destroy());
    });
    expect(await read(url)).toEqual(KEYS);
    const parts = Math.ceil((shards[0]?.bytes.length ?? 0) / 9000);
    expect(requests.filter((request) => request.startsWith("w-000000"))).toEqual(
      Array.from(
        { length: parts },
        (_, i) => `w-000000.tar ${i === 0 ? "all" : `bytes=${9000 * i}-`}`,
      ),
    );
  });

  test("a server without ranges is read from the start, what is known is passed over", async () => {
    let calls = 0;
    const { url } = await serve((_request, response, bytes) => {
      response.writeHead(200, { "content-length": bytes.length });
      if (calls++ % 2 === 0) response.write(bytes.subarray(0, 7000), () => response.destroy());
      else response.end(bytes);
    });
    expect(await read(url)).toEqual(KEYS);
  });

  test("busy and failing servers are asked again, and given up in the end", async () => {
    let calls = 0;
    const busy = await serve((request, response, bytes) => {
      if (calls++ % 3 < 2) response.writeHead(calls % 2 === 0 ? 503 : 429).end();
      else whole(request, response, bytes);
    });
    expect(await read(busy.url)).toEqual(KEYS);
    const failing = await serve((_request, response) => response.writeHead(500).end());
    await expect(read(failing.url)).rejects.toMatchObject({
      code: "io",
      message: expect.stringMatching(
        /\(4 tries, 0\.\d+ s of waiting between them\): the server answers 500/,
      ),
      suggestions: expect.arrayContaining([expect.stringContaining("http: { retries")]),
    });
    expect(failing.requests).toHaveLength(4);
  });

  test("a connection that stands still is given up", async () => {
    const { url } = await serve((_request, response, bytes) => {
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 100));
    });
    await expect(read(url, { http: { ...FAST, retries: 1, timeoutMs: 50 } })).rejects.toThrow(
      "could not be read beyond byte 100",
    );
  });

  test("a file that changes between two requests is noticed", async () => {
    let calls = 0;
    const { url } = await serve((request, response, bytes) => {
      if (calls++ > 0) {
        whole(request, response, Buffer.concat([bytes, bytes]));
        return;
      }
      response.writeHead(200, { etag: '"0"', "content-length": bytes.length });
      response.write(bytes.subarray(0, 3000), () => response.destroy());
    });
    await expect(read(url)).rejects.toThrow(expect.objectContaining({ code: "file-changed" }));
  });

  test.each([
    [404, "no-such-file"],
    [403, "permission-denied"],
    [418, "io"],
  ])("status %i is the error %s, without another try", async (status, code) => {
    const { url, requests } = await serve((_request, response) => response.writeHead(status).end());
    await expect(read(url)).rejects.toThrow(expect.objectContaining({ code }));
    expect(requests).toHaveLength(1);
  });

  test("headers are sent, compressed shards are unpacked", async () => {
    const { url } = await serve((request, response, bytes) => {
      if (request.headers.authorization !== "Bearer 1") response.writeHead(401).end();
      else response.end(gzipSync(bytes));
    });
    const http = { ...FAST, headers: { authorization: "Bearer 1" } };
    expect(await read(url, { http })).toEqual(KEYS);
  });

  test("going on from a state asks for the rest of the shard only", async () => {
    const { url, requests } = await serve();
    const iterator = new WebDataset(url).iterate({ pass: 0 });
    for (let i = 0; i < 9; i++) await iterator.next();
    const state = iterator.state();
    await iterator.return();
    requests.length = 0;
    expect(await keysOf(new WebDataset(url).iterate({ state }))).toEqual(KEYS.slice(9));
    // Shards 0 and 1 are read once for their index, which lies beside files on a disk only.
    expect(requests.slice(0, 2)).toEqual(["w-000000.tar all", "w-000001.tar all"]);
    expect(requests.slice(-6)[0]).toMatch(/^w-000001.tar bytes=\d+-$/);
  });

  test("an abort ends a retry that waits", async () => {
    const { url } = await serve((_request, response) => response.writeHead(500).end());
    const signal = AbortSignal.timeout(50);
    const reading = read(url, { signal, http: { retries: 100, retryDelayMs: 60_000 } });
    await expect(reading).rejects.toThrow("aborted due to timeout");
  });
});

describe("the cache of shards", () => {
  test("downloads each shard once", async () => {
    const { url, requests } = await serve();
    const cacheDir = join(temporaryDirectory(), "cache");
    expect(await read(url, { cacheDir })).toEqual(KEYS);
    expect(await read(url, { cacheDir })).toEqual(KEYS);
    expect(requests).toHaveLength(shards.length);
    // Each with its length beside it.
    expect(readdirSync(cacheDir)).toHaveLength(2 * shards.length);
    expect(readdirSync(cacheDir)[0]).toMatch(/^[0-9a-f]{16}-w-00000\d\.tar$/);
  });

  test("downloads a copy that was cut again", async () => {
    const { url, requests } = await serve();
    const cacheDir = join(temporaryDirectory(), "cache");
    await read(url, { cacheDir });
    const [copy = ""] = readdirSync(cacheDir);
    truncateSync(join(cacheDir, copy), 700);
    expect(await read(url, { cacheDir })).toEqual(KEYS);
    expect(requests).toHaveLength(shards.length + 1);
  });

  test("a URL that is not there comes with advice", async () => {
    const { url } = await serve((_request, response) => response.writeHead(404).end());
    await expect(read(url)).rejects.toMatchObject({
      code: "no-such-file",
      suggestions: [expect.stringContaining("check the URL")],
    });
  });

  test("deletes what was used longest ago beyond its size", async () => {
    const { url } = await serve();
    const cacheDir = temporaryDirectory();
    writeFileSync(join(cacheDir, "something else"), "kept");
    const cacheSize = 2.5 * (shards[0]?.bytes.length ?? 0);
    expect(await read(url, { cacheDir, cacheSize })).toEqual(KEYS);
    const names = readdirSync(cacheDir)
      .filter((name) => !name.endsWith(".length"))
      .map((name) => name.slice(-12));
    expect(readdirSync(cacheDir)).toHaveLength(names.length + 2);
    expect(new Set(names)).toEqual(new Set(["mething else", "w-000005.tar", "w-000006.tar"]));
  });

  test("keeps no part of a download that failed, and no page that is no shard", async () => {
    const cacheDir = temporaryDirectory();
    const broken = await serve((_request, response, bytes) => {
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 100), () => response.destroy());
    });
    await expect(read(broken.url, { cacheDir })).rejects.toThrow(
      "could not be read beyond byte 100",
    );
    const page = await serve((_request, response) => response.end("<html>".repeat(200)));
    await expect(read(page.url, { cacheDir })).rejects.toThrow(
      "expected a tar archive from the server",
    );
    expect(readdirSync(cacheDir)).toEqual([]);
    expect(existsSync(cacheDir)).toBe(true);
  });
});
