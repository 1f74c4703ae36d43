/** A command that fails or waits on request; run as a child process by base-command.test.ts. */
import { setTimeout as sleep } from "node:timers/promises";
import { string } from "@oclif/core/flags";
import { BaseCommand } from "../../cli/base-command.ts";
import { exitWith } from "../../cli/main.ts";
import {
  FormatError,
  InvalidArgumentError,
  PrecisionLossError,
} from "../../formats/common/errors.ts";

class Probe extends BaseCommand {
  static override flags = { do: string({ required: true }) };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Probe);
    switch (flags.do) {
      case "succeed":
        this.log("text for people");
        return { nnz: 3n, huge: 2n ** 60n, notFinite: Number.NaN };
      case "format":
        throw new FormatError("truncated", "expected 8 bytes,\n\u001b[31mfound 7", {
          path: "/data/row_ptr.npy",
          offset: 16,
          suggestions: ["copy the file again"],
        });
      case "argument":
        throw new InvalidArgumentError("workers", -1, "workers: expected 1 or more, found -1");
      case "loss":
        throw new PrecisionLossError("300 does not fit uint8", {
          from: "float32",
          to: "uint8",
          row: 4,
          column: 5,
          value: 300n,
        });
      case "bug":
        return (undefined as unknown as { x: number }).x; // the defect under test: a TypeError
      case "drain":
        process.once("beforeExit", () => process.stderr.write("ended by itself\n"));
        throw new InvalidArgumentError("x", 1, "x");
      case "leftover":
        setInterval(() => {}, 1000); // what a command forgot
        throw new InvalidArgumentError("x", 1, "x");
      case "wait":
        process.stderr.write("waiting\n");
        await sleep(20_000, undefined, { signal: this.signal });
        return {};
      default:
        process.stderr.write("waiting\n");
        for (;;) await sleep(1000); // ignores the signal: only a second one ends it
    }
  }
}

const argv = process.argv.slice(2);
try {
  await Probe.run(argv, import.meta.url);
} catch (error) {
  await exitWith(error, argv);
}
