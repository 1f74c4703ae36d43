import { expect, test } from "vitest";
import { lastGiven } from "../../cli/last-given.ts";

const FLAGS = {
  lr: { type: "option" },
  output: { type: "option", char: "o" },
  "num-gpus": { type: "option", aliases: ["devices"] },
  data: { type: "option", multiple: true },
  quiet: { type: "boolean" },
} as const;

test.each([
  ["--lr 1 --quiet --lr 2", "--quiet --lr 2"],
  ["--lr=1 --lr 2 in", "--lr 2 in"],
  ["--lr 1 --lr=2", "--lr=2"],
  ["--num-gpus 1 --devices 2", "--devices 2"],
  ["-o a --output b", "--output b"],
  ["--output a -ob -o c", "-o c"],
  ["--lr -1 --lr -2", "--lr -2"],
  ["--data a --data b c --data a", "--data a --data b c --data a"],
  ["--quiet --quiet", "--quiet --quiet"],
  ["--lr 1 -- --lr 2", "--lr 1 -- --lr 2"],
  ["--lr --output x --lr 2", "--lr --output x --lr 2"],
  ["--lr 1 --lr", "--lr 1 --lr"],
  ["--none 1 --none 2", "--none 1 --none 2"],
])("%s", (given, meant) => {
  expect(lastGiven(given.split(" "), FLAGS).join(" ")).toBe(meant);
});
