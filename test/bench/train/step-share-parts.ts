/** What training spends a step on besides the graph. */
import { fileURLToPath } from "node:url";
import { finish, printed, type Row } from "../measure.ts";
import { inTurn, notMeasured, type PartContext } from "../part.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Training with real data and loggers: the parts of a step that are not the graph. */
export async function stepShare({ rounds }: PartContext): Promise<Row[]> {
  const rows: Row[] = [];
  const works = [
    ["step, ESM-2 8M, 8 x 128", "esm2", "20"],
    ["step, Geneformer 10M, 4 x 2,048, dropout", "geneformer", "3"],
  ] as const;
  for (const [work, ...args] of works) {
    const name = "a whole step";
    const command = [process.execPath, here("step-share-node.ts"), ...args];
    rows.push(...(await inTurn(rounds, [{ name, command }], () => partsOfStep(work, command))));
  }
  return rows;
}

async function partsOfStep(work: string, command: readonly string[]): Promise<Row[]> {
  const finished = await finish(command);
  const result = printed(finished);
  const whole = notMeasured(work, { name: "a whole step", command });
  const [seconds = 0] = result?.seconds ?? [];
  if (result === null || seconds === 0) {
    return [{ ...whole, note: finished.failure ?? "printed no result" }];
  }
  const share = (part: number) => `${((100 * part) / seconds).toFixed(2)} %`;
  const parts = Object.entries(result.parts ?? {});
  const outside = parts.filter(([name]) => name !== "graph" && name !== "update");
  const row = (program: string, part: number): Row => ({
    ...{ ...whole, program, seconds: [part], note: share(part) },
  });
  return [
    { ...whole, seconds: [seconds], peakMiB: result.rssMiB ?? null },
    ...parts.map(([name, part]) => row(name, part)),
    row(
      "outside graph and optimizer",
      outside.reduce((sum, [, part]) => sum + part, 0),
    ),
  ];
}
