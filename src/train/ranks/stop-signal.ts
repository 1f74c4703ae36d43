import { constants } from "node:os";

/** The signal of the system that a run was stopped by, as the reason of the abort names it. */
export function signalOf(reason: unknown): NodeJS.Signals | null {
  if (typeof reason !== "object" || reason === null || !("signal" in reason)) return null;
  const { signal } = reason;
  return isSignal(signal) ? signal : null;
}

function isSignal(name: unknown): name is NodeJS.Signals {
  return typeof name === "string" && Object.hasOwn(constants.signals, name);
}
