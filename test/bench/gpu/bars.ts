/** The bars of a GPU, and what the rows of a measurement say of each. */
import { CORRECTNESS_LIMITS } from "./correctness.ts";

/** A row of results.jsonl; `part` says what else there is. */
export type Row = Readonly<Record<string, unknown>>;

export interface Bar {
  readonly section: string;
  readonly what: string;
  readonly bar: string;
  readonly found: string;
  readonly result: "pass" | "miss" | "not measured";
}

const NOTHING = { found: "", result: "not measured" } as const;
/** Parts of steps with full rows, and what they are called. */
const STEPS = [
  ["8M", "ESM-2 8M, 32 x 512"],
  ["35M", "ESM-2 35M, 32 x 512"],
  ["150M", "ESM-2 150M, 16 x 1,024"],
  ["650M", "ESM-2 650M, 16 x 1,024"],
  ["geneformer-10M", "Geneformer 10M, 8 x 2,048"],
  ["geneformer-106M", "Geneformer 106M, 8 x 2,048"],
] as const;
const MOST_GROWTH = 0.02;

export function bars(rows: readonly Row[]): readonly Bar[] {
  return [
    ...firstChecks(rows),
    ...speed(rows),
    ...memoryAndData(rows),
    ...correctness(rows),
    ...badInput(rows),
  ];
}

function firstChecks(rows: readonly Row[]): Bar[] {
  const section = "First checks";
  const families = of(rows, "smoke").filter((row) => "family" in row);
  const failed = families.filter((row) => row["result"] !== "pass");
  const names = failed.map((row) => `${row["family"]} (${row["error"] ?? row["worst"]})`);
  const [operations] = of(rows, "operations").slice(-1);
  const worst = numberOf(operations?.["worst"]);
  return [
    {
      ...{ section, what: "kernels that only a GPU has", bar: "all near plain loops" },
      ...(families.length === 0
        ? NOTHING
        : judged(
            failed.length === 0,
            `${families.length - failed.length} of ${families.length}${names.length > 0 ? `; not: ${names.join("; ")}` : ""}`,
          )),
    },
    {
      ...{ section, what: "every operation and its gradients", bar: "1e-5 of torch in float64" },
      ...(Number.isNaN(worst)
        ? NOTHING
        : judged(worst <= 1e-5, `${short(worst)}, ${operations?.["of"]}`)),
    },
  ];
}

function speed(rows: readonly Row[]): Bar[] {
  const section = "Speed, bfloat16";
  const compared = STEPS.map(([part, what]): Bar => {
    const [ours, eager] = [step(rows, part, "scdl"), step(rows, part, "PyTorch eager")];
    const compiled = step(rows, part, "PyTorch compile");
    const named = { section, what, bar: ">= 1.0 x PyTorch eager" };
    if (Number.isNaN(ours)) return { ...named, ...NOTHING };
    const beside = Number.isNaN(compiled)
      ? ""
      : `, compiled ${ms(compiled)}: ${times(compiled / ours)}`;
    if (Number.isNaN(eager))
      return { ...named, found: `${ms(ours)}${beside}`, result: "not measured" };
    const found = `${times(eager / ours)}: ${ms(ours)}, eager ${ms(eager)}${beside}`;
    return { ...named, ...judged(eager / ours >= 1, found) };
  });
  return [...compared, packedBar(rows, section), utilisation(rows, section)];
}

function packedBar(rows: readonly Row[], section: string): Bar {
  const ours = tokens(rows, "packed", "scdl");
  const longest = tokens(rows, "packed", "PyTorch eager");
  const bar = ">= 2 x padding to the longest of 16";
  const named = { section, what: "650M packed, tokens/s that are no padding", bar };
  if (Number.isNaN(ours)) return { ...named, ...NOTHING };
  const others = [
    ["padded to the longest, PyTorch", longest],
    ["padded to 1,024, PyTorch", tokens(rows, "padded", "PyTorch eager")],
    ["padded to 1,024, here", tokens(rows, "padded", "scdl")],
    ["sorted, PyTorch", tokens(rows, "sorted", "PyTorch eager")],
    ["sorted, here", tokens(rows, "sorted", "scdl")],
  ] as const;
  const told = others.filter(([, rate]) => !Number.isNaN(rate));
  const found = [`packed ${whole(ours)}`, ...told.map(([name, rate]) => `${name} ${whole(rate)}`)];
  if (Number.isNaN(longest)) return { ...named, found: found.join("; "), result: "not measured" };
  return {
    ...named,
    ...judged(ours / longest >= 2, `${times(ours / longest)}: ${found.join("; ")}`),
  };
}

function utilisation(rows: readonly Row[], section: string): Bar {
  const named = { section, what: "model FLOP utilisation, 650M", bar: "reported; aim >= 45 %" };
  const found = low(rows, "650M", "scdl")?.["utilisation"];
  const rate = numberOf(of(rows, "matmul").at(-1)?.["tflopsPerSecond"]);
  if (typeof found !== "number") return { ...named, ...NOTHING };
  return { ...named, ...judged(found >= 0.45, `${percent(found)} of ${Math.round(rate)} TFLOP/s`) };
}

function memoryAndData(rows: readonly Row[]): Bar[] {
  const section = "Memory and data";
  const flat = of(rows, "memory").findLast((row) => Array.isArray(row["seen"]));
  const [first, last] = (flat?.["seen"] ?? []) as readonly Row[]; // proof: flat.ts prints it
  const counted = ["liveTensors", "allocatedBytes", "reservedBytes"];
  const isFlat = counted.every((name) => first?.[name] === last?.[name]);
  const long = of(rows, "long").findLast((row) => Array.isArray(row["memory"]));
  const seen = (long?.["memory"] ?? []) as readonly Row[]; // proof: long.ts prints it
  const used = seen.map((each) => numberOf(each["usedMiB"]));
  const [half, end] = [used[Math.floor(used.length / 2)] ?? Number.NaN, used.at(-1) ?? Number.NaN];
  const isWhole = seen.length >= 10 && !Number.isNaN(half + end);
  const waits = [...of(rows, "data"), ...of(rows, "long")].findLast((row) => "shares" in row);
  const thread = (waits?.["thread"] ?? {}) as Row; // proof: long.ts prints it
  const [held, asking] = [numberOf(thread["waits"]), numberOf(thread["askingMs"])];
  const share = numberOf((waits?.["shares"] as Row | undefined)?.["data"]); // proof: as above
  return [
    {
      ...{ section, what: "tensors and bytes, small model", bar: "the same at step 100 and 1,000" },
      ...(first === undefined || last === undefined
        ? NOTHING
        : judged(
            isFlat,
            counted.map((name) => `${name} ${first[name]}, ${last[name]}`).join("; "),
          )),
    },
    {
      ...{ section, what: "GPU's memory, 150M, 1,000 steps", bar: "no growth in the second half" },
      ...(isWhole
        ? judged(end <= half * (1 + MOST_GROWTH), `${half} MiB at half, ${end} MiB at the end`)
        : NOTHING),
    },
    {
      ...{ section, what: "steps that wait for data, 150M", bar: "< 2 % of a step" },
      ...(Number.isNaN(share)
        ? NOTHING
        : judged(share < 0.02, `${percent(share)} of ${ms(numberOf(waits?.["stepMs"]))}`)),
    },
    {
      ...{ section, what: "steps in which the host waits for the device", bar: "none" },
      ...(Number.isNaN(held)
        ? NOTHING
        : judged(held === 0, `${short(held)} waits a step; asking for it takes ${ms(asking)}`)),
    },
  ];
}

function correctness(rows: readonly Row[]): Bar[] {
  const section = "Correctness";
  const parts = [
    ["correctness", "ESM-2 8M"],
    ["correctness-geneformer", "Geneformer 10M"],
    ["correctness-650M", "ESM-2 650M"],
  ] as const;
  const { first, each, gradients, bfloat16 } = CORRECTNESS_LIMITS;
  const checks = [
    ["loss of step 1", /^loss of step 1\b/, first],
    ["losses of all steps", /^losses of \d+ steps/, each],
    ["gradients of each parameter", /^gradients of each/, gradients],
    ["losses in bfloat16", /^losses in bfloat16 against PyTorch in bfloat16/, bfloat16],
  ] as const;
  const compared = parts.flatMap(([part, model]) =>
    checks.map(([what, pattern, limit]): Bar => {
      const row = of(rows, part).findLast((one) => pattern.test(String(one["check"])));
      const named = { section, what: `${model}, ${what}`, bar: short(limit) };
      const worst = numberOf(row?.["worst"]);
      if (row === undefined || Number.isNaN(worst)) return { ...named, ...NOTHING };
      return { ...named, ...judged(row["result"] === "pass", short(worst)) };
    }),
  );
  return [...compared, ...stopAndGo(rows, section), ...checkpoints(rows, section)];
}

function stopAndGo(rows: readonly Row[], section: string): Bar[] {
  const found = of(rows, "stop-and-go").at(-1);
  const [usual, exact] = ["usual", "deterministic"].map((name) => found?.[name] as Row | undefined); // proof: stop-and-go.ts
  const worst = numberOf(usual?.["worst"]);
  return [
    {
      ...{ section, what: "losses after stopping and going on", bar: "1e-4" },
      ...(Number.isNaN(worst) ? NOTHING : judged(worst <= 1e-4, short(worst))),
    },
    {
      ...{ section, what: "weights after it, deterministic kernels", bar: "the same bit for bit" },
      ...(exact === undefined
        ? NOTHING
        : judged(
            exact["of"] === 0,
            exact["of"] === 0 ? "the same" : `${exact["of"]} differ: ${exact["different"]}`,
          )),
    },
  ];
}

function checkpoints(rows: readonly Row[], section: string): Bar[] {
  const found = of(rows, "checkpoints").at(-1);
  const moves = Object.entries(
    (found?.["different"] ?? {}) as Readonly<Record<string, readonly string[]>>,
  ); // proof: checkpoints.ts
  const python = found?.["python"] as readonly string[] | undefined; // proof: the same
  const apart = numberOf(found?.["apart"]);
  return [
    {
      ...{ section, what: "checkpoints CPU -> device -> CPU", bar: "the same bit for bit" },
      ...(moves.length < 2
        ? NOTHING
        : judged(
            moves.every(([, names]) => names.length === 0),
            moves.map(([move, names]) => `${move}: ${names.length} differ`).join("; "),
          )),
    },
    {
      ...{
        section,
        what: "checkpoint read and written by Python",
        bar: "the same; loss within 1e-5",
      },
      ...(python === undefined || Number.isNaN(apart)
        ? NOTHING
        : judged(
            python.length === 0 && apart <= 1e-5,
            `${python.length} differ; loss ${short(apart)} apart`,
          )),
    },
  ];
}

function badInput(rows: readonly Row[]): Bar[] {
  const section = "Bad input";
  const found = of(rows, "out-of-memory").at(-1);
  const [absurd, peaks, training] = ["absurd", "peaks", "training"].map(
    (name) => found?.[name] as Row | undefined,
  ); // proof: full.ts
  const isTold = (row: Row | undefined) => row?.["isTyped"] === true && row["saysBytes"] === true;
  const message = (row: Row | undefined) =>
    String(row?.["message"] ?? row?.["error"] ?? "no error");
  const skipped = (peaks?.["skipped"] ?? []) as readonly number[]; // proof: the same
  const grown = numberOf(peaks?.["grown"]);
  return [
    {
      ...{ section, what: "an allocation that is too large", bar: "typed; bytes asked and free" },
      ...(absurd === undefined ? NOTHING : judged(isTold(absurd), message(absurd))),
    },
    {
      ...{
        section,
        what: "batches that grow until the device is full",
        bar: "typed; work goes on",
      },
      ...(peaks === undefined || skipped.length === 0
        ? NOTHING
        : judged(isTold(peaks) && Math.abs(grown) < 0.05, `${skipped} rows: ${message(peaks)}`)),
    },
    {
      ...{
        section,
        what: "peaks of memory by rows, for size-aware batches",
        bar: "linear within 5 %",
      },
      ...(typeof peaks?.["linear"] === "number"
        ? judged(
            peaks["linear"] < 0.05,
            `${percent(peaks["linear"])}: ${peaks["rows"]} rows take ${peaks["mib"]} MiB`,
          )
        : NOTHING),
    },
    {
      ...{ section, what: "training that does not fit", bar: "typed; goes on from its checkpoint" },
      ...(training === undefined
        ? NOTHING
        : judged(isTold(training) && training["goesOn"] === true, message(training))),
    },
    {
      ...{ section, what: "a dead rank with NCCL", bar: "the others stop within 30 s", ...NOTHING },
      found: "needs two GPUs",
    },
  ];
}

function of(rows: readonly Row[], part: string): readonly Row[] {
  return rows.filter((row) => row["part"] === part);
}

/** The last row of a program in bfloat16 that has a time. */
function low(rows: readonly Row[], part: string, program: string): Row | undefined {
  const isOwn = (row: Row) => row["program"] === program && row["precision"] === "bf16-mixed";
  return of(rows, part).findLast((row) => isOwn(row) && typeof row["stepMs"] === "number");
}

function step(rows: readonly Row[], part: string, program: string): number {
  return numberOf(low(rows, part, program)?.["stepMs"]);
}

function tokens(rows: readonly Row[], part: string, program: string): number {
  return numberOf(low(rows, part, program)?.["tokensPerSecond"]);
}

function judged(isPass: boolean, found: string): Pick<Bar, "found" | "result"> {
  return { found, result: isPass ? "pass" : "miss" };
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : Number.NaN;
}

const short = (value: number) => (value === 0 ? "0" : value.toExponential(1).replace(".0e", "e"));
const ms = (value: number) => `${value.toPrecision(4)} ms`;
const times = (value: number) => `${value.toFixed(2)} x`;
const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
const whole = (value: number) => Math.round(value).toLocaleString("en");
