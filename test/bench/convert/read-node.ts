/** Reads all rows of raw/X in blocks, once per pass: `node read-node.ts FILE PASSES`. */
import { H5adFile } from "../built.ts";

const [path = "", passes = "1"] = process.argv.slice(2);
const seconds: number[] = [];
let check = 0;
for (let pass = 0; pass < Number(passes); pass++) {
  const start = process.hrtime.bigint();
  check = 0;
  await using file = await H5adFile.open(path);
  if (file.raw === null) throw new Error(`${path}: no raw`);
  for await (const { data } of file.raw.X.rowBlocks()) check += data.length;
  seconds.push(Number(process.hrtime.bigint() - start) / 1e9);
}
const rssMiB = process.resourceUsage().maxRSS / 1024;
process.stdout.write(`${JSON.stringify({ seconds, check, rssMiB })}\n`);
