import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { expect, test } from "vitest";
import { chartsOf, DRAW } from "../../../../src/train/report/charts.ts";
import { aligned, readCurves, thinned } from "../../../../src/train/report/curves.ts";
import { runReportText, withReport } from "../../../../src/train/report/run-report.ts";
import { writeReport } from "../../../../src/train/report/write-report.ts";
import { TrainingError } from "../../../../src/train/training-error.ts";
import { newFolder } from "../digits-run.fixture.ts";

function folderWith(lines: readonly string[]): string {
  const folder = newFolder();
  mkdirSync(folder);
  writeFileSync(join(folder, "metrics.jsonl"), lines.map((line) => `${line}\n`).join(""));
  return folder;
}

const LINES = [
  '{"step":1,"reduced_train_loss":3.5,"lr":0.1,"grad_norm":null}',
  '{"step":2,"reduced_train_loss":3.25,"lr":0.2,"grad_norm":1.5}',
  '{"step":2,"val_loss":3.125,"val_accuracy":0.5}',
];

const times = {
  ...{ data: 1, host: 2, compile: 3, run: 4000, update: 5, validation: 6, checkpoint: 7 },
  ...{ setup: 0, log: 8, profile: 0, exchange: 0 },
};
const RUN = {
  ...{ directory: "results/x", model: "digits", parameters: 1234, executor: "reference" },
  ...{ tookMs: 1500, config: { lr: 0.1, data: "a.fasta", none: undefined } },
};
const result = {
  step: 2,
  reason: "max-steps",
  stoppedBy: null,
  metrics: {},
  checkpoint: "c/step=2",
  times,
} as const;

test("curves are the metrics by name; lines that are no records and a cut one are left out", () => {
  const folder = folderWith([...LINES, "no json", "[1]", '{"lr":1}', '"text"']);
  writeFileSync(join(folder, "metrics.jsonl"), '{"step":3,"lr":', { flag: "a" });
  const curves = readCurves(join(folder, "metrics.jsonl"));
  expect(Object.fromEntries(curves)).toEqual({
    reduced_train_loss: { steps: [1, 2], values: [3.5, 3.25] },
    lr: { steps: [1, 2], values: [0.1, 0.2] },
    grad_norm: { steps: [1, 2], values: [null, 1.5] },
    val_loss: { steps: [2], values: [3.125] },
    val_accuracy: { steps: [2], values: [0.5] },
  });
  expect(chartsOf(curves)).toEqual([
    {
      title: "Loss",
      names: ["reduced_train_loss", "val_loss"],
      data: [
        [1, 2],
        [3.5, 3.25],
        [null, 3.125],
      ],
    },
    {
      title: "Learning rate",
      names: ["lr"],
      data: [
        [1, 2],
        [0.1, 0.2],
      ],
    },
    {
      title: "Gradient norm",
      names: ["grad_norm"],
      data: [
        [1, 2],
        [null, 1.5],
      ],
    },
    { title: "val_accuracy", names: ["val_accuracy"], data: [[2], [0.5]] },
  ]);
  expect(readCurves(join(folder, "none.jsonl")).size).toBe(0);
});

test("a long curve is thinned, and its peaks and ends stay", () => {
  const steps = Array.from({ length: 10_000 }, (_, at) => at + 1);
  const values: (number | null)[] = steps.map((step) => Math.sin(step / 100));
  values[5003] = 40;
  values[7001] = -30;
  values[8000] = null;
  const thin = thinned({ steps, values }, 200);
  expect(thin.steps.length).toBeLessThanOrEqual(200);
  expect(thin.steps.length).toBeGreaterThan(150);
  expect(thin.values[thin.steps.indexOf(5004)]).toBe(40);
  expect(thin.values[thin.steps.indexOf(7002)]).toBe(-30);
  expect([thin.steps[0], thin.steps.at(-1)]).toEqual([1, 10_000]);
  expect(aligned([thin])[0]).toEqual(thin.steps);
});

test("a report is one file that asks nothing of the network", () => {
  const folder = folderWith(LINES);
  const page = readFileSync(
    writeReport(folder, runReportText({ ...RUN, end: { result } })),
    "utf8",
  );
  expect(page).toContain("default-src 'none'");
  const ours = page.slice(0, page.indexOf("/*\n")) + page.slice(page.lastIndexOf("<script>"));
  expect(ours).not.toMatch(/\b(src|href)=|url\(|@import|https?:/);
  expect(page).toContain("Ended after its 2 steps.");
  expect(page).toContain('<th scope="row">val_loss</th><td>3.125 (step 2)</td>');
  expect(page).toContain("digits, 1,234 parameters");
  expect(page).toContain('<th scope="row">run</th><td>4.00</td>');
  expect(page).toContain("lr: 0.1\ndata: a.fasta\n");
  expect(page).toMatch(/<th scope="row">scdl<\/th><td>\d+\.\d+\.\d+<\/td>/);
  // the licence of what it holds
  expect(page).toContain("Copyright (c) 2022 Leon Sorokin");
});

test("a report that cannot be written after the last step leaves the checkpoint to go on from", async () => {
  const directory = folderWith(LINES);
  mkdirSync(join(directory, "report.html"));
  const written = withReport({ ...RUN, directory }, async () => result);
  const goOn = "go on from c/step=2: the same command with --resume-if-exists";
  await expect(written).rejects.toMatchObject({
    name: "StorageError",
    suggestions: expect.arrayContaining([goOn]),
  });
});

test("its script gives every chart to uPlot, and the library defines it", () => {
  const folder = folderWith(LINES);
  const page = readFileSync(
    writeReport(folder, runReportText({ ...RUN, end: { result } })),
    "utf8",
  );
  const [, charts = ""] = /id="charts">(.*?)<\/script>/s.exec(page) ?? [];
  const drawn: [{ series: { label: string }[] }, unknown[][]][] = [];
  const element = () => ({ append: () => {}, textContent: "", clientWidth: 600 });
  const context = createContext({
    document: {
      getElementById: (id: string) => (id === "charts" ? { textContent: charts } : element()),
      createElement: element,
    },
    ResizeObserver: class {
      observe(): void {}
    },
    uPlot: class {
      constructor(options: { series: { label: string }[] }, data: unknown[][]) {
        drawn.push([options, data]);
      }
    },
  });
  runInContext(DRAW, context);
  expect(drawn.map(([{ series }]) => series.map(({ label }) => label))).toEqual([
    ["step", "reduced_train_loss", "val_loss"],
    ["step", "lr"],
    ["step", "grad_norm"],
    ["step", "val_accuracy"],
  ]);
  expect(drawn.every(([{ series }, data]) => series.length === data.length)).toBe(true);
  expect(page).toContain("var uPlot=function()");
});

test("hostile names of runs, metrics and configurations stay text", () => {
  const hostile = `</script><script>alert(1)</script><img src=x onerror="a" a='b'>&amp;`;
  const name = JSON.stringify(`val_${hostile}`);
  const folder = folderWith([`{"step":1,${name}:1}`]);
  const run = { ...RUN, directory: hostile, model: hostile, config: { [hostile]: hostile } };
  const error = new Error(hostile);
  const page = readFileSync(writeReport(folder, runReportText({ ...run, end: { error } })), "utf8");
  expect(page).not.toContain("<img");
  expect(page).not.toContain("<script>alert");
  expect(page.match(/<\/script>/g)).toHaveLength(3);
  expect(page).toContain("&lt;/script&gt;&lt;script&gt;alert(1)");
});

test("a run that an error has ended says so, with what to try, also without a step", () => {
  const folder = folderWith([]);
  const error = new TrainingError("loss-not-finite", "the loss of step 3 is NaN", {
    ...{ step: 2, checkpoint: "c/step=2", suggestions: ["a smaller learning rate"] },
  });
  const page = readFileSync(writeReport(folder, runReportText({ ...RUN, end: { error } })), "utf8");
  expect(page).toContain(
    "the loss of step 3 is NaN\ntry: a smaller learning rate\ntry: go on from",
  );
  expect(page).toContain('class="failed"');
  expect(page).toContain("No step was logged.");
});
