/** What there is to run on: devices.ts DEVICE. Prints the report of DEVICE, and of all. */
import { availableParallelism } from "node:os";
import { listDevices } from "../../../src/tensor/index.ts";

const [device = "cuda"] = process.argv.slice(2);
const all = await listDevices();
const own = all.find((report) => report.device === device || report.device === `${device}:0`);
const found = all.map((report) => `${report.device}: ${report.problem ?? report.description}`);
console.log(
  JSON.stringify({ ...own, node: process.version, cores: availableParallelism(), found }),
);
