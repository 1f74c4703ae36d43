/** What stages take: samples, and tuples or lists made of them. */
import { InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import type { Sample } from "./sample-reader.ts";

export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export function isSample(value: unknown): value is Sample {
  return isRecord(value) && typeof value["__key__"] === "string";
}

export function assertSample(value: unknown, stage: string): Sample {
  if (isSample(value)) return value;
  throw new InvalidArgumentError("item", value, `${stage}: expected a sample with __key__`, {
    suggestions: [`put ${stage} before what turns samples into tuples or batches`],
  });
}

export function assertTuple(value: unknown, stage: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new InvalidArgumentError("item", value, `${stage}: expected a tuple or list`, {
    suggestions: ["call toTuple or extractKeys first"],
  });
}

export function noField(sample: Sample, wanted: readonly string[]): NotFoundError {
  return new NotFoundError(
    "no-such-field",
    `${sample.__url__}: sample "${sample.__key__}" has no ${wanted.join(" or ")}`,
    {
      what: wanted.join(";"),
      available: Object.keys(sample),
      suggestions: [
        'name one of the fields there are, or alternatives as in toTuple("jpg;png")',
        "leave such samples out: a handler that returns true",
      ],
    },
  );
}
