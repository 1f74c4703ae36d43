/** Stages that call the user's functions; webdataset's names in camel case. */
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { shown } from "../../formats/common/options.ts";
import { type HandlerOption, handled, handlerOf, rethrow } from "./error-handler.ts";
import type { StageFactory } from "./stage.ts";
import { assertSample, assertTuple, isRecord, isSample, noField } from "./stage-item.ts";

/** A step of the user's; null and undefined leave the sample out. */
export function mapStage(
  apply: (item: never) => unknown,
  options: HandlerOption = {},
): StageFactory {
  const handler = handlerOf("map", options);
  assertFunction("map", apply);
  // The types of neighbouring steps were checked where they were joined.
  const call = apply as (item: unknown) => unknown;
  return handled("map", handler, (item, out) => {
    const result = call(item);
    if (result instanceof Promise) {
      return result.then((value) => keepMapped(item, value, out));
    }
    return keepMapped(item, result, out);
  });
}

/** A sample made of a sample keeps its key. */
function keepMapped(item: unknown, result: unknown, out: unknown[]): void {
  if (result === null || result === undefined) return;
  if (isSample(item) && isRecord(result)) result["__key__"] = item.__key__;
  out.push(result);
}

export function filterStage(keep: (item: never) => unknown): StageFactory {
  assertFunction("filter", keep);
  const call = keep as (item: unknown) => unknown;
  return handled("filter", rethrow, (item, out) => {
    const answer = call(item);
    if (answer instanceof Promise) {
      return answer.then((value) => {
        if (value) out.push(item);
      });
    }
    if (answer) out.push(item);
    return undefined;
  });
}

type FieldFunction = (value: never) => unknown;

/** A function per field; fields without one stay as they are. */
export function mapDictStage(
  functions: Readonly<Record<string, FieldFunction>>,
  options: HandlerOption = {},
): StageFactory {
  const handler = handlerOf("mapDict", options);
  for (const [field, apply] of Object.entries(functions)) assertFunction(`mapDict.${field}`, apply);
  return handled(`mapDict(${Object.keys(functions).join(" ")})`, handler, async (item, out) => {
    const sample = { ...assertSample(item, "mapDict") };
    for (const [field, apply] of Object.entries(functions)) {
      if (!Object.hasOwn(sample, field)) throw noField(sample, [field]);
      sample[field] = await (apply as (value: unknown) => unknown)(sample[field]);
    }
    out.push(sample);
  });
}

/** A function per position; null leaves the value as it is. */
export function mapTupleStage(
  functions: readonly (FieldFunction | null)[],
  options: HandlerOption = {},
): StageFactory {
  const handler = handlerOf("mapTuple", options);
  if (!Array.isArray(functions)) assertFunction("mapTuple", functions);
  for (const [i, apply] of functions.entries()) {
    if (apply !== null) assertFunction(`mapTuple[${i}]`, apply);
  }
  return handled(`mapTuple(${functions.length})`, handler, async (item, out) => {
    const values = [...assertTuple(item, "mapTuple")];
    for (let i = 0; i < Math.min(functions.length, values.length); i++) {
      const apply = functions[i] as ((value: unknown) => unknown) | null;
      if (apply !== null) values[i] = await apply(values[i]);
    }
    out.push(values);
  });
}

/** For callers without a type checker. */
function assertFunction(stage: string, value: unknown): void {
  if (typeof value === "function") return;
  const message = `${stage}: expected a function, found ${shown(value)}`;
  throw new InvalidArgumentError(stage, value, message);
}
