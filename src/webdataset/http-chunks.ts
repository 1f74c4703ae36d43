/** A file over http(s) as chunks, from any byte on, going on where a connection broke. */
import { NotFoundError, StorageError } from "../../formats/common/errors.ts";

export interface HttpOptions {
  /** How often to try again without a byte in between. Default 5: 6.2 s of waiting. */
  readonly retries?: number;
  /** Before the first retry, doubled each time up to 30 s. Default 200 ms. */
  readonly retryDelayMs?: number;
  /** A connection without a byte for so long is given up. Default 60 s. */
  readonly timeoutMs?: number;
  /** Sent with every request, e.g. authorization. */
  readonly headers?: Readonly<Record<string, string>>;
}

const MAX_DELAY_MS = 30_000;

interface Progress {
  position: number;
  /** Tells one version of the file from another. */
  validator: string | null;
  total: number | null;
}

/** A failure after which the same request may succeed. */
class Transient extends Error {}

/**
 * @param begin offset of the first byte wanted
 * @throws NotFoundError for 404 and 410; StorageError "permission-denied" for 401 and 403,
 *   "file-changed" when the server has another file than before, "io" when retries are used up.
 */
export async function* httpChunks(
  url: string,
  begin: number,
  options: HttpOptions = {},
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { retries = 5, retryDelayMs = 200 } = options;
  const progress: Progress = { position: begin, validator: null, total: null };
  let waitedMs = 0;
  for (let failures = 0; ; failures++) {
    const before = progress.position;
    try {
      yield* request(url, progress, options, signal);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Transient)) throw error;
      if (progress.position > before) {
        failures = 0;
        waitedMs = 0;
      }
      if (failures >= retries)
        throw exhausted(url, progress.position, failures + 1, waitedMs, error);
    }
    const delayMs = Math.min(MAX_DELAY_MS, retryDelayMs * 2 ** failures);
    await pause(delayMs, signal);
    waitedMs += delayMs;
  }
}

async function* request(
  url: string,
  progress: Progress,
  options: HttpOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  using idle = new IdleTimer(options.timeoutMs ?? 60_000);
  const signals = signal === undefined ? [idle.signal] : [idle.signal, signal];
  const response = await attempt(url, () =>
    fetch(url, {
      headers: { ...options.headers, ...headersFor(progress) },
      signal: AbortSignal.any(signals),
    }),
  );
  const skip = checkResponse(url, response, progress);
  const reader = response.body?.getReader();
  try {
    let toSkip = skip;
    while (reader !== undefined) {
      idle.restart();
      const { done, value } = await attempt(url, () => reader.read());
      if (done) break;
      const chunk = value.subarray(Math.min(toSkip, value.byteLength));
      toSkip -= value.byteLength - chunk.byteLength;
      progress.position += chunk.byteLength;
      // The consumer may take its time.
      idle.pause();
      if (chunk.byteLength > 0) yield chunk;
    }
  } finally {
    // A body that failed has nothing to cancel.
    await reader?.cancel().catch(() => {});
  }
  if (progress.total !== null && progress.position < progress.total) {
    throw new Transient(`ended at byte ${progress.position} of ${progress.total}`);
  }
}

function headersFor({ position, validator }: Progress): Record<string, string> {
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (position > 0) headers["range"] = `bytes=${position}-`;
  if (position > 0 && validator !== null) headers["if-range"] = validator;
  return headers;
}

/** Checks the answer and returns how many of its first bytes are not wanted. */
function checkResponse(url: string, response: Response, progress: Progress): number {
  const { status, headers } = response;
  if (status === 404 || status === 410) {
    throw new NotFoundError("no-such-file", `${url}: the server answers ${status}`, {
      what: url,
      suggestions: ["check the URL, and the numbers in its braces"],
    });
  }
  if (status === 401 || status === 403) {
    throw new StorageError("permission-denied", `the server answers ${status}`, {
      path: url,
      suggestions: ["pass an authorization header"],
    });
  }
  if (status === 408 || status === 429 || status >= 500) {
    throw new Transient(`the server answers ${status}`);
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "");
  const isRange = status === 206 && Number(range?.[1]) === progress.position;
  if (status !== 200 && !isRange) {
    throw new StorageError("io", `expected status 200 or 206 from the server, found ${status}`, {
      path: url,
      suggestions: ["open the URL in a browser: the server may want something else"],
    });
  }
  const validator = headers.get("etag") ?? headers.get("last-modified");
  const total = isRange ? Number(range?.[2]) : lengthOf(headers);
  const known = total !== null && Number.isSafeInteger(total) ? total : null;
  const isOther =
    (progress.validator !== null && validator !== progress.validator) ||
    (progress.total !== null && known !== null && known !== progress.total);
  if (isOther) {
    throw new StorageError("file-changed", "the server's file changed while it was read", {
      path: url,
      suggestions: ["start again; give changed shards a new name"],
    });
  }
  // A weak validator says nothing about bytes, and If-Range must not carry it.
  progress.validator = validator?.startsWith("W/") === true ? null : validator;
  progress.total = known;
  return isRange ? 0 : progress.position;
}

/** Null when the body is encoded on the way, so that the length is not the file's. */
function lengthOf(headers: Headers): number | null {
  const encoding = headers.get("content-encoding") ?? "identity";
  const length = headers.get("content-length");
  return encoding === "identity" && length !== null ? Number(length) : null;
}

/** fetch reports what is wrong with a connection as a TypeError with a cause. */
async function attempt<T>(url: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Transient(`${url}: ${message}`, { cause: error });
  }
}

function exhausted(
  url: string,
  position: number,
  tries: number,
  waitedMs: number,
  cause: Error,
): StorageError {
  const effort = `${tries} tries, ${waitedMs / 1000} s of waiting between them`;
  return new StorageError(
    "io",
    `could not be read beyond byte ${position} (${effort}): ${cause.message}`,
    {
      path: url,
      cause,
      suggestions: [
        "check the connection and the server, then run again",
        "http: { retries, retryDelayMs } sets how long to try",
      ],
    },
  );
}

function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, delayMs);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Aborts its signal when nothing restarts it in time. */
class IdleTimer implements Disposable {
  readonly #controller = new AbortController();
  readonly #timeoutMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.restart();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(): void {
    this.pause();
    this.#timer = setTimeout(() => {
      this.#controller.abort(new Error(`no byte for ${this.#timeoutMs} ms`));
    }, this.#timeoutMs);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    this.pause();
  }
}
