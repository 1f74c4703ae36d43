import { expect, test } from "vitest";
import { pythonInteger, spelledOut } from "../../cli/original-flags.ts";

const KNOWN = ["output", "neighbors", "data-path", "data-dtype", "use-mp", "use-X-not-raw"];

test("a beginning of one of the original's flags is that flag, as argparse reads it", () => {
  // Checked with Python 3.11's argparse with the parser of convert_h5ad_to_scdl.
  for (const [given, meant] of [
    ["--num-w", "--num-workers"],
    ["--n=2", "--num-workers=2"],
    ["--paginated=10_000", "--paginated-load-cutoff=10_000"],
    ["--use-X", "--use-X-not-raw"],
    ["--data-p", "--data-path"],
    ["--s=a=b", "--save-path=a=b"],
  ] as const) {
    expect(spelledOut([given], KNOWN)).toEqual([meant]);
  }
});

test("flags of this program, ambiguous beginnings, values and what follows -- stay", () => {
  for (const words of [
    ["--output", "num-w"],
    ["--use"],
    ["--data"],
    ["--use-mp"],
    ["-o", "--"],
    ["--", "--num-w"],
    ["--number"],
  ]) {
    expect(spelledOut(words, KNOWN)).toEqual(words);
  }
});

test("integers are read as Python's int reads them", () => {
  expect(["4", "10_000", " +7 ", "-1", "007"].map((text) => pythonInteger("x", text))).toEqual([
    4, 10_000, 7, -1, 7,
  ]);
  for (const text of ["", "1_", "_1", "1__0", "1.0", "1e3", "0x10", "four"]) {
    expect(() => pythonInteger("num-workers", text)).toThrow(
      `--num-workers: expected an integer, found "${text}"`,
    );
  }
});
