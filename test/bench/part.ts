/** What every part of the benchmark is made of. */
import { finish, joinRounds, type Program, printed, type Row } from "./measure.ts";

export interface PartContext {
  /** Where data is made once and kept. */
  readonly folder: string;
  /** 1 for the sizes of the documentation. */
  readonly scale: number;
  /** Times every program runs, in turn. */
  readonly rounds: number;
}

/** Every program once, then all again: none has the machine at its only good moment. */
export async function inTurn(
  rounds: number,
  programs: readonly Program[],
  measure: (program: Program) => Promise<readonly Row[]>,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const program of programs) rows.push(...(await measure(program)));
  }
  return joinRounds(rows);
}

/** The row of a program that has not run. */
export function notMeasured(work: string, { name, note = "" }: Program): Row {
  const row = { work, program: name, seconds: [], amount: 1, unit: "" };
  return { ...row, peakMiB: null, note, check: null };
}

/**
 * Runs a program that measures itself and prints so. The second row is the same program as seen
 * from outside, start included.
 */
export async function runPrinting(
  work: string,
  program: Program,
  counted: Pick<Row, "amount" | "unit"> = { amount: 1, unit: "" },
): Promise<readonly [inside: Row, whole: Row]> {
  const row = { ...notMeasured(work, program), ...counted };
  if (program.command === null) return [row, row];
  const finished = await finish(program.command);
  const result = printed(finished);
  if (finished.failure !== null || result === null) {
    const failed = { ...row, note: finished.failure ?? "printed no result" };
    return [failed, failed];
  }
  const known = { ...row, check: result.check ?? null, peakMiB: result.rssMiB ?? null };
  return [
    { ...known, seconds: result.seconds },
    { ...known, seconds: [finished.seconds] },
  ];
}
