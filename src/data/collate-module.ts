import path from "node:path";
import { pathToFileURL } from "node:url";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { CollateFunction, CollateModule } from "./collate.ts";

/** As a message: everything a thread needs to import the function. */
export interface CollateModuleSpec {
  readonly url: string;
  readonly name: string;
  readonly options: unknown;
}

export function describeModule({ module, name, options }: CollateModule): CollateModuleSpec {
  try {
    structuredClone(options);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `collate.options cannot be sent to the worker threads: ${why}`;
    throw new InvalidArgumentError("collate.options", options, message, {
      cause,
      suggestions: ["give numbers, texts, arrays and plain objects; build the rest in the module"],
    });
  }
  const isPath = typeof module === "string" && path.isAbsolute(module);
  return {
    url: isPath ? pathToFileURL(module).href : String(module),
    name: name ?? "default",
    options,
  };
}

/** @throws InvalidArgumentError when the module cannot be imported or has no such function. */
export async function importCollate(spec: CollateModuleSpec): Promise<CollateFunction> {
  let exported: Record<string, unknown>;
  try {
    exported = await import(spec.url);
  } catch (error) {
    throw new InvalidArgumentError(
      "collate.module",
      spec.url,
      `collate module ${spec.url} cannot be imported: ${error instanceof Error ? error.message : error}`,
      { cause: error, suggestions: ["give an absolute path or new URL(name, import.meta.url)"] },
    );
  }
  const collate = exported[spec.name];
  if (typeof collate !== "function") {
    throw new InvalidArgumentError(
      "collate.name",
      spec.name,
      `collate module ${spec.url} exports no function ${spec.name} (there is: ${Object.keys(exported).join(", ")})`,
    );
  }
  return (batch) => collate(batch, spec.options);
}
