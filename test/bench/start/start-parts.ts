/** What a user waits for before anything is done. */
import { fileURLToPath } from "node:url";
import { gigabytes, largeData } from "../gather/gather-parts.ts";
import { finish, type Program, type Row } from "../measure.ts";
import { inTurn, notMeasured, type PartContext } from "../part.ts";
import { pythonProgram } from "../python.ts";
import { OURS } from "../report.ts";

const built = (file: string) => fileURLToPath(new URL(`../../../dist/${file}`, import.meta.url));

export async function start(context: PartContext): Promise<Row[]> {
  const scdl = built("cli/run.js");
  const load = `await import(${JSON.stringify(built("src/index.js"))})`;
  const imports = "import bionemo.scdl.io.single_cell_memmap_dataset";
  const large = await largeData(context);
  const works: readonly (readonly [work: string, programs: readonly Program[]])[] = [
    [
      "import the package",
      [
        { name: "Node alone", command: [process.execPath, "-e", "0"] },
        { name: OURS, command: [process.execPath, "--input-type=module", "-e", load] },
        pythonProgram("bionemo-scdl", "-c", imports),
      ],
    ],
    ["scdl --help", [{ name: OURS, command: [process.execPath, scdl, "--help"] }]],
    [
      `scdl inspect of ${gigabytes(large)} GB`,
      [{ name: OURS, command: [process.execPath, scdl, "inspect", large] }],
    ],
  ];
  const rows: Row[] = [];
  for (const [work, programs] of works) {
    rows.push(...(await inTurn(2 * context.rounds, programs, (one) => whole(work, one))));
  }
  return rows;
}

async function whole(work: string, program: Program): Promise<Row[]> {
  const row = notMeasured(work, program);
  if (program.command === null) return [row];
  const { seconds, failure, memory } = await finish(program.command, { watchMemory: true });
  if (failure !== null) return [{ ...row, note: failure }];
  return [{ ...row, seconds: [seconds], peakMiB: memory?.peakMiB ?? null }];
}
