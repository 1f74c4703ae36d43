import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { ScdlError, StorageError } from "../../../formats/common/errors.ts";
import { InferenceRun, type InferenceRunParts } from "../../../src/infer/inference-run.ts";
import type { OpenPredictor, RowValues } from "../../../src/infer/open-predictor.ts";
import { ResultFolder } from "../../../src/infer/result-folder.ts";
import { TensorSink } from "../../../src/infer/tensor-sink.ts";
import type { TokenSource } from "../../../src/infer/token-source.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

const ROWS = 23;
const specs = [
  { name: "hidden_states", dtype: "float32", perToken: true, shape: [2] },
  { name: "embeddings", dtype: "float32", perToken: false, shape: [3] },
] as const;

/** Rows of 1 to 7 tokens; the first token is the row. */
const source: TokenSource = {
  length: ROWS,
  id: (row) => `row ${row}`,
  mostTokens: (row) => 1 + ((row * 5) % 7),
  tokens: (row) => new Int32Array(1 + ((row * 5) % 7)).fill(row),
  [Symbol.dispose]: () => {},
};

/** Numbers of the row itself, ready some turns after they were asked for. */
class LatePredictor implements OpenPredictor {
  readonly specs = specs;
  readonly ahead: number;
  /** First rows of the batches, as they were asked for. */
  readonly asked: number[] = [];
  /** Batches that were asked for and whose outputs are not written. */
  live = 0;
  mostLive = 0;
  /** Fails the batch with this row. */
  broken = { row: -1, error: new Error("broken"), inAsking: false };

  constructor(ahead: number) {
    this.ahead = ahead;
  }

  async ask(sequences: readonly Int32Array[]): Promise<() => Promise<readonly RowValues[]>> {
    const { row, error, inAsking } = this.broken;
    const isBroken = sequences.some(([first]) => first === row);
    if (isBroken && inAsking) throw error;
    this.asked.push(sequences[0]?.[0] ?? -1);
    this.live++;
    this.mostLive = Math.max(this.mostLive, this.live);
    return async () => {
      await nextTurn();
      if (isBroken) throw error;
      return sequences.map((tokens) => ({
        hidden_states: Float32Array.from(
          { length: 2 * tokens.length },
          (_, at) => at + Number(tokens[0]),
        ),
        embeddings: Float32Array.from({ length: 3 }, (_, at) => at / (1 + Number(tokens[0]))),
      }));
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

type Given = Partial<InferenceRunParts> & Pick<InferenceRunParts, "predictor">;

/** Names and bytes of the files of a run. */
async function filesOf(given: Given): Promise<[string, string][]> {
  const folder = new ResultFolder(join(temporaryDirectory(), "out"), false);
  try {
    const run = new InferenceRun({
      source,
      folder,
      labels: null,
      padId: 0,
      microBatchSize: 4,
      ...given,
    });
    const names = await run.write();
    return names.map((name) => [name, readFileSync(folder.file(name), "base64")]);
  } finally {
    folder.abort();
  }
}

describe("batches in flight", () => {
  test.each([
    ["safetensors", "epoch"],
    ["npy", "batch"],
    ["parquet", "epoch"],
    ["parquet", "batch"],
  ] as const)(
    "%s, a file for one %s: the files are the same, and no more batches live than the limit",
    async (format, predictionInterval) => {
      const found = [];
      for (const ahead of [1, 2, 3]) {
        const predictor = new LatePredictor(ahead);
        let done = 0;
        const onProgress = (progress: { readonly done: number }) => {
          // A batch that does not fill up is the last of its file.
          const batches = Math.ceil(progress.done / 4) - Math.ceil(done / 4);
          done = progress.done;
          predictor.live -= batches;
        };
        found.push(await filesOf({ predictor, format, predictionInterval, onProgress }));
        expect(predictor).toMatchObject({ live: 0, mostLive: ahead });
        expect(done).toBe(ROWS);
      }
      expect(found[0]?.length).toBeGreaterThan(0);
      expect(found[1]).toEqual(found[0]);
      expect(found[2]).toEqual(found[0]);
    },
  );

  test.each([true, false])(
    "memory that one batch lacks is told with its rows (in asking: %s)",
    async (inAsking) => {
      const predictor = new LatePredictor(3);
      const error = new ScdlError("out-of-memory", "out of memory");
      predictor.broken = { row: 15, error, inAsking };
      const done: number[] = [];
      const onProgress = (progress: { readonly done: number }) => done.push(progress.done);
      const order = await batchesOfRows();
      await expect(filesOf({ predictor, onProgress })).rejects.toMatchObject({
        code: "out-of-memory",
        message: "out of memory, for 4 rows of up to 6 tokens",
        cause: error,
      });
      // Those before it are written, and what was ahead by then is all that was asked for.
      const at = order.findIndex((rows) => rows.includes(15));
      expect(done).toEqual(Array.from({ length: at }, (_, batch) => 4 * (batch + 1)));
      expect([at, order.length]).toEqual([1, 6]);
      expect(predictor.asked.length).toBe(inAsking ? 1 : 4);
    },
  );

  test("a file that cannot be written ends it: nothing is asked for after that", async () => {
    const predictor = new LatePredictor(3);
    const full = new StorageError("disk-full", "no space left", { path: "predictions" });
    const add = vi.spyOn(TensorSink.prototype, "add");
    const close = vi.spyOn(TensorSink.prototype, "close");
    try {
      add.mockImplementation(({ row }) => {
        if (row === 15) throw full;
      });
      await expect(filesOf({ predictor })).rejects.toBe(full);
      expect(close).toHaveBeenCalled();
    } finally {
      vi.restoreAllMocks();
    }
    // The second of six batches, with two ahead.
    expect(predictor.asked.length).toBe(4);
  });

  test("a signal ends it before another batch is asked for", async () => {
    const predictor = new LatePredictor(2);
    const stop = new AbortController();
    const done: number[] = [];
    const onProgress = (progress: { readonly done: number }) => {
      done.push(progress.done);
      stop.abort();
    };
    const run = filesOf({ predictor, onProgress, signal: stop.signal });
    await expect(run).rejects.toMatchObject({ name: "AbortError" });
    expect({ done, asked: predictor.asked.length }).toEqual({ done: [4], asked: 2 });
  });
});

/** Rows of the batches in order. */
async function batchesOfRows(): Promise<number[][]> {
  const rows: number[][] = [];
  const predictor = new LatePredictor(1);
  const ask = predictor.ask.bind(predictor);
  predictor.ask = (sequences) => {
    rows.push(sequences.map(([row]) => Number(row)));
    return ask(sequences);
  };
  await filesOf({ predictor });
  return rows;
}
