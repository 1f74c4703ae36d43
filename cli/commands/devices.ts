import { string } from "@oclif/core/flags";
import type { DeviceReport } from "../../src/tensor/devices.ts";
import { BaseCommand } from "../base-command.ts";
import { oneLine } from "../error-text.ts";
import { formatBytes } from "../progress.ts";

export default class Devices extends BaseCommand {
  static override summary = "List what models can be trained on: CPU and GPUs.";
  static override description =
    "For each the name that --device takes, what runs on it and where that was found, memory, and the " +
    "values of --precision. What cannot be used says why, and what would help.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --libtorch ~/venv --json",
  ];

  static override flags = {
    libtorch: string({ summary: "Folder of the PyTorch to look at, or of its environment." }),
  };

  async run(): Promise<readonly DeviceReport[]> {
    const { flags } = await this.parse(Devices);
    const { listDevices } = await import("../../src/tensor/devices.ts");
    const reports = await listDevices({ libtorch: flags.libtorch });
    this.log(devicesText(reports));
    return reports;
  }
}

function devicesText(reports: readonly DeviceReport[]): string {
  const lines = reports.filter(({ problem }) => problem === null).flatMap(usableLines);
  const problems = new Map<string, DeviceReport[]>();
  for (const report of reports) {
    if (report.problem === null) continue;
    problems.set(report.problem, [...(problems.get(report.problem) ?? []), report]);
  }
  for (const [problem, [first, ...others]] of problems) {
    const names = [first, ...others].map((report) => report?.device).join(", ");
    lines.push(`${names}: not usable: ${problem}`);
    for (const suggestion of first?.suggestions ?? []) lines.push(INDENT + suggestion);
  }
  return lines.map(oneLine).join("\n");
}

const RUNTIMES = { onnx: "ONNX Runtime", torch: "PyTorch", tfjs: "TensorFlow.js" };
const INDENT = " ".repeat(11);

function usableLines(report: DeviceReport): string[] {
  const { device, executor, version, source, description, memoryBytes, precisions } = report;
  const runtime = `${RUNTIMES[executor]} ${version ?? ""}`;
  const memory = memoryBytes === null ? "" : `, ${formatBytes(memoryBytes)}`;
  return [
    `${device.padEnd(10)} ${runtime}${description === null ? "" : `: ${description}`}${memory}; precision ${precisions.join(", ")}`,
    ...(source === null ? [] : [INDENT + source]),
  ];
}
