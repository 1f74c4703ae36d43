/** What run.ts takes. */
import { parseArgs } from "node:util";
import { CALLS, PRECISIONS } from "./works.ts";

export interface GpuOptions {
  readonly device: string;
  readonly python: string;
  /** Which parts where none is named, see CALLS; 0 for all. */
  readonly call: number;
  /** Of the steps that are measured. */
  readonly precisions: readonly string[];
  readonly out: string;
  /** Seconds of one program that has no limit of its own, and of all. */
  readonly timeLimit: number;
  readonly totalLimit: number;
  /** Named ones, in place of a call's. */
  readonly parts: readonly string[];
}

/** Asked for, or what the arguments should have been; `error` is null for who asked. */
export interface Usage {
  readonly error: string | null;
}

const OPTIONS = {
  device: { type: "string", default: "cuda" },
  python: { type: "string", default: "python3" },
  call: { type: "string", default: "1" },
  precision: { type: "string", multiple: true },
  out: { type: "string", default: "." },
  "time-limit": { type: "string", default: "100" },
  "total-limit": { type: "string", default: "570" },
  help: { type: "boolean", short: "h", default: false },
} as const;

export function gpuOptions(args: readonly string[]): GpuOptions | Usage {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { error: message.split(". ")[0] ?? message };
  }
  const { values, positionals } = parsed;
  if (values.help) return { error: null };
  const { device, python, out, precision: precisions = [PRECISIONS[0]] } = values;
  const [call, timeLimit, totalLimit] = [
    values.call,
    values["time-limit"],
    values["total-limit"],
  ].map(Number) as [number, number, number]; // proof: of three
  if (!(Number.isInteger(call) && call >= 0 && call <= CALLS.length)) {
    return { error: `--call ${values.call}: expected 0 to ${CALLS.length}` };
  }
  for (const name of ["time-limit", "total-limit"] as const) {
    if (!(Number(values[name]) > 0))
      return { error: `--${name} ${values[name]}: expected seconds` };
  }
  const other = precisions.find((name) => !PRECISIONS.some((known) => known === name));
  if (other !== undefined) {
    return { error: `--precision ${other}: expected ${PRECISIONS.join(" or ")}` };
  }
  return { device, python, call, precisions, out, timeLimit, totalLimit, parts: positionals };
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
}

/** @param parts that there are */
export function usageText(parts: Iterable<string>): string {
  return [
    "sh run.sh [OPTION...] [PART...]: measures this machine's GPU beside its PyTorch",
    "",
    `  --call N               which parts where none is named: 1 to ${CALLS.length}, 0 for all (1)`,
    "  --out DIR              where rows and the page of bars go (.)",
    "  --total-limit SECONDS  of the call; what would begin later is left out (570)",
    "  --time-limit SECONDS   of a program that has no limit of its own (100)",
    `  --precision NAME       of the steps that are measured, ${PRECISIONS.join(" or ")}; may be repeated (${PRECISIONS[0]})`,
    "  --device NAME          cuda, cuda:N, or torch-cpu, which tries all in tiny sizes (cuda)",
    "  -h, --help             this",
    "",
    "PYTHON names the Python that has torch and transformers, LIBTORCH the folder of libtorch.",
    "",
    `parts: ${[...parts].join(", ")}`,
  ].join("\n");
}
