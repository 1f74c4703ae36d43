import { FormatError } from "../../formats/common/errors.ts";
import type { LossScaleState } from "../tensor/index.ts";
import { type EarlyStoppingState, readEarlyStoppingState } from "./early-stopping.ts";
import type { Scalars } from "./loggers/logger.ts";

/** Where a run stood, besides its counts: what a resumed one needs to be the one that never stopped. */
export interface RunProgress {
  /** The newest value of every metric, of this step or an earlier one; what is not finite is left out. */
  readonly metrics: Scalars;
  /** The validation of this step was cut off and is to be done before the next update. */
  readonly validationDue: boolean;
  readonly earlyStopping: EarlyStoppingState | null;
  /**
   * Of a run that had float16 at any time: the factor on the loss, which float16 goes on with, and how
   * many updates were left out for it, which the moments' bias is corrected without.
   */
  readonly lossScale?: LossScaleProgress;
}

export interface LossScaleProgress extends LossScaleState {
  readonly skipped: number;
}

/** As JSON: no NaN. */
export function encodeProgress({ metrics, ...rest }: RunProgress): RunProgress {
  const finite = Object.entries(metrics).filter(([, value]) => Number.isFinite(value));
  return { ...rest, metrics: Object.fromEntries(finite) };
}

/**
 * @param step updates of the run, those left out included
 * @throws FormatError for what is no progress
 */
export function readProgress(value: unknown, path: string, step: number): RunProgress {
  const given = isRecord(value) ? value : {};
  const { metrics, validationDue, earlyStopping = null, lossScale } = given;
  const isProgress =
    isRecord(metrics) &&
    Object.values(metrics).every((item) => typeof item === "number") &&
    typeof validationDue === "boolean";
  if (!isProgress) {
    const message = "expected metrics and validationDue in progress";
    throw new FormatError("damaged-checkpoint", message, { path });
  }
  return {
    metrics: metrics as Scalars, // proof: every value is a number
    validationDue,
    earlyStopping: earlyStopping === null ? null : readEarlyStoppingState(earlyStopping, path),
    ...(lossScale === undefined ? {} : { lossScale: readLossScale(lossScale, path, step) }),
  };
}

function readLossScale(value: unknown, path: string, step: number): LossScaleProgress {
  const { factor, goodUpdates, skipped } = isRecord(value) ? value : {};
  const isCount = (found: unknown): found is number =>
    typeof found === "number" && Number.isSafeInteger(found) && found >= 0;
  const isFactor =
    typeof factor === "number" && Math.fround(factor) > 0 && Number.isFinite(Math.fround(factor));
  const fail = (expected: string, what: unknown): never => {
    const found = (JSON.stringify(what) ?? "nothing").slice(0, 80);
    const message = `expected ${expected}, found ${found}`;
    throw new FormatError("damaged-checkpoint", message, { path });
  };
  if (!(isFactor && isCount(goodUpdates) && isCount(skipped))) {
    return fail("factor, goodUpdates and skipped in progress.lossScale", value);
  }
  if (skipped <= step) return { factor, goodUpdates, skipped };
  return fail(`progress.lossScale.skipped of at most the step, ${step}`, skipped);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
