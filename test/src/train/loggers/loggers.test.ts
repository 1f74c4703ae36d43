import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ScdlError, StorageError } from "../../../../formats/common/errors.ts";
import { CsvLogger } from "../../../../src/train/loggers/csv-logger.ts";
import { JsonLinesLogger } from "../../../../src/train/loggers/json-lines-logger.ts";
import { type Logger, LoggerGroup, type Scalars } from "../../../../src/train/loggers/logger.ts";
import { ProgressLineLogger } from "../../../../src/train/loggers/progress-line.ts";
import { TensorBoardLogger } from "../../../../src/train/loggers/tensorboard-logger.ts";
import { temporaryDirectory } from "../../../helpers/bundle.ts";

interface EventsGolden {
  readonly seconds: number;
  readonly steps: readonly (readonly [number, Readonly<Record<string, number | string>>])[];
  readonly new: string;
  readonly resumed: string;
}

const events: EventsGolden = JSON.parse(
  readFileSync(new URL("../../../../fixtures/train/events.json", import.meta.url), "utf8"),
);
const scalarsOf = (values: Readonly<Record<string, number | string>>): Scalars =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === "number" ? value : Number(value.replace("inf", "Infinity")),
    ]),
  );
const read = (path: string) => readFileSync(path, "utf8");

describe("TensorBoardLogger", () => {
  test.each([
    ["new", 0],
    ["resumed", 130],
  ] as const)("the file of a %s run is TensorBoard's own, byte for byte", (kind, fromStep) => {
    const directory = join(temporaryDirectory(), "logs");
    const logger = new TensorBoardLogger(directory, { fromStep, now: () => events.seconds * 1000 });
    for (const [step, values] of events.steps) logger.log(step, scalarsOf(values));
    logger.close();
    expect(readFileSync(logger.path).toString("hex")).toBe(events[kind]);
    expect(logger.path).toMatch(/events\.out\.tfevents\.1767225600\..+\.0$/);
  });

  test("two runs in one second have two files; a closed one takes no more", () => {
    const directory = temporaryDirectory();
    const loggers = [1, 2].map(() => new TensorBoardLogger(directory, { now: () => 0 }));
    for (const logger of loggers) logger.close();
    expect(readdirSync(directory)).toHaveLength(2);
    expect(() => loggers[0]?.log(1, {})).toThrow(ScdlError);
  });
});

describe("JsonLinesLogger", () => {
  test("writes a line a step; what is no JSON number is null", () => {
    const path = join(temporaryDirectory(), "metrics.jsonl");
    const logger = new JsonLinesLogger(path);
    logger.log(1, { loss: 0.5, lr: 1e-7 });
    expect(read(path)).toBe('{"step":1,"loss":0.5,"lr":1e-7}\n');
    logger.log(2, { loss: Number.NaN });
    logger.close();
    expect(read(path)).toBe('{"step":1,"loss":0.5,"lr":1e-7}\n{"step":2,"loss":null}\n');
  });

  test("a resumed run drops the lines of the steps it does again, and a line that was cut", () => {
    const path = join(temporaryDirectory(), "metrics.jsonl");
    const first = new JsonLinesLogger(path);
    for (const step of [1, 2, 3]) first.log(step, { loss: step });
    first.close();
    const cut = new JsonLinesLogger(path, { fromStep: 3 });
    cut.log(3, { loss: -3 });
    cut.close();
    expect(
      read(path)
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { step: 1, loss: 1 },
      { step: 2, loss: 2 },
      { step: 3, loss: -3 },
    ]);
  });
});

describe("CsvLogger", () => {
  test("a new name is a new column, empty where there was none", () => {
    const path = join(temporaryDirectory(), "metrics.csv");
    const logger = new CsvLogger(path);
    logger.log(1, { loss: 0.5 });
    logger.log(2, { loss: 0.25, 'val,"x"': 3 });
    logger.log(3, { 'val,"x"': 4 });
    logger.close();
    expect(read(path)).toBe('step,loss,"val,""x"""\n1,0.5,\n2,0.25,3\n3,,4\n');
  });

  test("a resumed run goes on with the columns of the file", () => {
    const path = join(temporaryDirectory(), "metrics.csv");
    const first = new CsvLogger(path);
    first.log(1, { a: 1, 'b,"': 2 });
    first.log(2, { a: 1 });
    first.close();
    const second = new CsvLogger(path, { fromStep: 2 });
    second.log(2, { 'b,"': 7, c: 8 });
    second.close();
    expect(read(path)).toBe('step,a,"b,""",c\n1,1,2,\n2,,7,8\n');
  });
});

describe("ProgressLineLogger", () => {
  test("says what matters first, and how long it will take", () => {
    const lines: string[] = [];
    let ms = 0;
    const logger = new ProgressLineLogger((line) => lines.push(line), {
      maxSteps: 500,
      now: () => ms,
    });
    logger.log(10, { lr: 1e-4, reduced_train_loss: 2.310_54 });
    ms = 60_000;
    logger.log(20, { tokens_per_second: 3210.4, grad_norm: 1, reduced_train_loss: 2 });
    ms = 60_000 * 50;
    logger.log(500, { val_loss: 1.5 });
    expect(lines).toEqual([
      "step 10/500  loss 2.3105  lr 1.0e-4",
      "step 20/500  loss 2  3,210 tokens/s  grad_norm 1  48 min left",
      "step 500/500  val loss 1.5000",
    ]);
  });
});

test("a group closes every logger, and then says what went wrong", () => {
  const closed: string[] = [];
  const named = (name: string, fails = false): Logger => ({
    log: () => {},
    close: () => {
      closed.push(name);
      if (fails) throw new Error(name);
    },
  });
  const group = new LoggerGroup([named("a", true), named("b")]);
  expect(() => group.close()).toThrow("a");
  expect(closed).toEqual(["a", "b"]);
});

test("a place that cannot be written is a StorageError", () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "taken"));
  expect(() => new JsonLinesLogger(join(directory, "taken"))).toThrow(StorageError);
  rmSync(join(directory, "taken"), { recursive: true });
  const logger = new CsvLogger(join(directory, "a.csv"));
  logger.close();
  expect(() => logger.log(1, {})).toThrow("log after close");
});
