/**
 * Opens a data set and reads one row: `node open-node.mjs DIRECTORY ROW`. Not TypeScript, since
 * stripping types would add 15 MiB to what is measured.
 */
import { SingleCellDataset } from "../../../dist/src/index.js";

const [directory = "", row = "0"] = process.argv.slice(2);
const start = process.hrtime.bigint();
const dataset = await SingleCellDataset.open(directory);
const { data } = dataset.row(Number(row));
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
const rssMiB = process.resourceUsage().maxRSS / 1024;
process.stdout.write(`${JSON.stringify({ seconds: [seconds], check: data.length, rssMiB })}\n`);
dataset.close();
