import { expect, test } from "vitest";
import { describeError, errorToJson, exitCodeOf, InterruptedError } from "../../cli/error-text.ts";
import { FormatError, InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";

test("an error without a suggestion of its own gets what helps with its kind", () => {
  const path = "x.h5ad";
  for (const [error, suggestion] of [
    [new FormatError("missing-member", "/X/data is missing", { path }), "scdl inspect --verify"],
    [new NotFoundError("no-such-column", "no column a", { what: "a" }), "scdl inspect shows"],
    [new InvalidArgumentError("cells", -1, "cells: -1"), "the command with --help"],
  ] as const) {
    expect(describeError(error, { stack: false }).split("\n")[1]).toContain(`  try: ${suggestion}`);
    expect(errorToJson(error).error["suggestions"]).toEqual([
      expect.stringContaining(suggestion),
      ...(error instanceof FormatError ? ["copy or download the file again"] : []),
    ]);
  }
  const own = new FormatError("truncated", "short", { path, suggestions: ["do this"] });
  expect(describeError(own, { stack: false })).toBe(
    "error: x.h5ad: short [truncated]\n  try: do this",
  );
});

test("every error is an object with name, code, message and suggestions", () => {
  const defect = new TypeError("x is undefined");
  const stopped = new InterruptedError("SIGTERM");
  expect([defect, stopped, "text"].map((error) => errorToJson(error).error)).toEqual([
    { name: "TypeError", code: "unexpected", message: "x is undefined", suggestions: [] },
    {
      name: "InterruptedError",
      code: "interrupted",
      message: "interrupted (SIGTERM)",
      suggestions: [],
    },
    { name: "Error", code: "unexpected", message: "text", suggestions: [] },
  ]);
  expect([defect, stopped].map(exitCodeOf)).toEqual([1, 143]);
});
