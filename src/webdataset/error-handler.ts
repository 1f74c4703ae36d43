import { oneByOne, type StageFactory } from "./stage.ts";

/**
 * Decides about an error in a sample: true leaves the sample out and goes on, false ends the pass,
 * throwing ends everything.
 */
export type ErrorHandler = (error: unknown) => boolean;

export function rethrow(error: unknown): never {
  throw error;
}

/** A stage whose errors go to the handler. */
export function handled(
  signature: string,
  handler: ErrorHandler,
  push: (item: unknown, out: unknown[]) => void | Promise<void>,
): StageFactory {
  if (handler === rethrow) return oneByOne(signature, push);
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
            const pending = push(item, out);
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
