/**
 * Random numbers, samplers and collates against the Python originals, with other random arguments in
 * every run: the seed is the date unless SCDL_CONFORMANCE_SEED names one.
 */
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { askOnce } from "./ask-once.ts";
import { RANDOM_KINDS } from "./orders-random.ts";
import { SAMPLING_KINDS } from "./orders-sampling.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./orders_original.py", import.meta.url));
const KINDS = { ...RANDOM_KINDS, ...SAMPLING_KINDS };

export async function checkOrders(tally: Tally, python: string, workspace: string): Promise<void> {
  mkdirSync(workspace, { recursive: true });
  const seed = seedOfRun();
  let answers: unknown;
  await tally.check(`orders: Python's own, SCDL_CONFORMANCE_SEED=${seed}`, async () => {
    answers = await askOnce(python, DRIVER, { seed, folder: workspace });
    return [];
  });
  for (const [kind, { name, run }] of Object.entries(KINDS)) {
    const cases = casesOf(answers, kind);
    await tally.check(`orders: ${name}, ${cases.length} random cases`, async () => {
      const differences: string[] = cases.length === 0 ? ["Python made no cases"] : [];
      for (const [args, expected] of cases) {
        const found = JSON.stringify(await run(args));
        if (found === JSON.stringify(expected)) continue;
        const short = JSON.stringify(args).slice(0, 300);
        differences.push(`${short}: ${firstDifference(JSON.stringify(expected), found)}`);
      }
      return differences;
    });
  }
}

/** The seed of this run's random cases. */
export function seedOfRun(): number {
  const given = process.env["SCDL_CONFORMANCE_SEED"];
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  return Number(new Date().toISOString().slice(0, 10).replaceAll("-", ""));
}

function casesOf(answers: unknown, kind: string): readonly (readonly [never, unknown])[] {
  if (typeof answers !== "object" || answers === null) return [];
  // orders_original.py writes [arguments, results] pairs; a run function knows its arguments.
  return (answers as Record<string, [never, unknown][]>)[kind] ?? [];
}

function firstDifference(expected: string, found: string): string {
  let at = 0;
  while (at < expected.length && expected[at] === found[at]) at++;
  const from = Math.max(0, at - 20);
  return `at ${at} Python ${expected.slice(from, at + 40)}, we ${found.slice(from, at + 40)}`;
}
