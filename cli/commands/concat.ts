import { string as textArgument } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import { isScdlDType, SCDL_DTYPES } from "../../formats/common/dtype.ts";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { WrittenDataset } from "../../src/dataset/write-datasets.ts";
import { BaseCommand } from "../base-command.ts";
import { operands } from "../operands.ts";
import { formatCount, ProgressLine } from "../progress.ts";

export default class Concat extends BaseCommand {
  static override summary = "Join SCDL data sets into one.";
  static override description =
    "Rows come in the order of the arguments, as one conversion of all files in that order gives " +
    "them. For data sets that were converted in parts, e.g. on many machines. The output appears " +
    "when it is whole; the inputs stay as they are.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> parts/* --output all.scdl",
    "<%= config.bin %> <%= command.id %> a.scdl b.scdl -o both.scdl --data-dtype uint16 --overwrite",
  ];
  static override usage = "concat DATASET... --output DIR";
  static override strict = false;
  static override args = {
    dataset: textArgument({ required: true, description: "SCDL folders." }),
  };

  static override flags = {
    output: string({ char: "o", required: true, summary: "Directory to create." }),
    overwrite: boolean({ summary: "Replace an existing output, which may be one of the inputs." }),
    "data-dtype": string({
      options: [...SCDL_DTYPES],
      summary: "Type of the stored values [the widest of the inputs].",
    }),
    "allow-lossy": boolean({
      summary: "Store what a C cast gives and warn, instead of failing at the first value lost.",
    }),
  };

  async run(): Promise<WrittenDataset> {
    const { raw, flags } = await this.parse(Concat);
    const inputs = operands(raw);
    const dataDtype = flags["data-dtype"];
    if (flags["allow-lossy"] && dataDtype === undefined) {
      throw new InvalidArgumentError(
        "allow-lossy",
        true,
        "--allow-lossy: nothing is lost without --data-dtype",
        { suggestions: ["--allow-lossy --data-dtype uint16", "leave --allow-lossy out"] },
      );
    }
    const { concatDatasets } = await import("../../src/dataset/concat.ts");
    using progress = new ProgressLine();
    const result = await concatDatasets(inputs, {
      output: flags.output,
      overwrite: flags.overwrite,
      ...(dataDtype === undefined || !isScdlDType(dataDtype) ? {} : { dataDtype }),
      allowLossy: flags["allow-lossy"],
      signal: this.signal,
      onProgress: ({ bytesDone, bytesTotal }) =>
        progress.update({ label: "joining", done: bytesDone, total: bytesTotal, unit: "bytes" }),
      onWarning: (message) => {
        progress.clear();
        this.warning(message);
      },
    });
    progress.clear();
    const { data, indptr, indices } = result.dtypes;
    this.log(
      `wrote ${result.output}: ${formatCount(result.nObs)} rows of ${formatCount(inputs.length)} data sets, ` +
        `${formatCount(result.nnz)} values\n` +
        `  types: data ${data}, row pointers ${indptr}, columns ${indices}`,
    );
    return result;
  }
}
