import { isScdlError } from "../../formats/common/errors.ts";
import { aFunction, checkOptions } from "../../formats/common/options.ts";
import { LoaderError } from "../data/loader-error.ts";
import { oneByOne, type StageFactory } from "./stage.ts";
import { isSample } from "./stage-item.ts";

/**
 * Decides about an error in a sample: true leaves the sample out and goes on, false ends the pass,
 * throwing ends everything.
 */
export type ErrorHandler = (error: unknown) => boolean;

export interface HandlerOption {
  /** What to do about an error in an item. Default: throw. */
  readonly handler?: ErrorHandler;
}

/** The handler of a stage's options. @throws InvalidArgumentError */
export function handlerOf(stage: string, options: HandlerOption): ErrorHandler {
  checkOptions(stage, options, { handler: aFunction });
  return options.handler ?? rethrow;
}

export function rethrow(error: unknown): never {
  throw error;
}

/** A stage whose errors go to the handler. */
export function handled(
  signature: string,
  handler: ErrorHandler,
  push: (item: unknown, out: unknown[]) => void | Promise<void>,
): StageFactory {
  const pushNamed = namingErrors(signature.replace(/\(.*/s, ""), push);
  if (handler === rethrow) return oneByOne(signature, pushNamed);
  return {
    signature,
    create: () => {
      let isDone = false;
      const onError = (error: unknown) => {
        if (!handler(error)) isDone = true;
      };
      return {
        push(item, out) {
          try {
            const pending = pushNamed(item, out);
            return pending?.catch(onError);
          } catch (error) {
            return onError(error);
          }
        },
        flush() {},
        isEmpty: true,
        get isDone() {
          return isDone;
        },
      };
    },
  };
}

type Push = (item: unknown, out: unknown[]) => void | Promise<void>;

/** What the user's function throws says of which sample; typed errors and aborts say it all. */
function namingErrors(stage: string, push: Push): Push {
  return (item, out) => {
    try {
      return push(item, out)?.catch((error: unknown) => {
        throw named(stage, item, error);
      });
    } catch (error) {
      throw named(stage, item, error);
    }
  };
}

function named(stage: string, item: unknown, cause: unknown): unknown {
  const isAbort = cause instanceof Error && ["AbortError", "TimeoutError"].includes(cause.name);
  if (isScdlError(cause) || isAbort) return cause;
  const where = isSample(item)
    ? `${item.__url__}: ${stage} failed on sample "${item.__key__}"`
    : `${stage} failed`;
  const text = cause instanceof Error ? cause.message : String(cause);
  return new LoaderError("stage-failed", `${where}: ${text}`, { cause });
}
