/**
 * `scdl/train`: trains a model of `scdl/models`, or of your own, on the batches of a data module.
 */
export type { BatchSums } from "./batch-runner.ts";
export type { PreparationProgress } from "./data/preparation.ts";
export {
  type OpenedProteins,
  type OpenProteinsOptions,
  openProteins,
} from "./data/protein-data.ts";
export type { EarlyStoppingOptions } from "./early-stopping.ts";
export type { FitOptions, FitResult, StoppedBy } from "./fit-result.ts";
export type { LossReduction } from "./loss-reduction.ts";
export type { StepTimes } from "./metrics/step-times.ts";
export { microBatches } from "./micro-batches.ts";
export type { ReportText } from "./report/report-page.ts";
export { writeReport } from "./report/write-report.ts";
export type { FineTuneTask, HeadOptions } from "./runs/fine-tune-parts.ts";
export {
  type FinetunedEsm2,
  type FinetuneEsm2Options,
  finetuneEsm2,
} from "./runs/finetune-esm2.ts";
export {
  type FinetunedGeneformer,
  type FinetuneGeneformerOptions,
  finetuneGeneformer,
} from "./runs/finetune-geneformer.ts";
export { type TrainEsm2Options, type TrainedEsm2, trainEsm2 } from "./runs/train-esm2.ts";
export {
  type GeneformerRunSize,
  type TrainedGeneformer,
  type TrainGeneformerOptions,
  trainGeneformer,
} from "./runs/train-geneformer.ts";
export type { TrainingRunOptions, TrainingRunResult } from "./runs/training-run.ts";
export { Trainer } from "./trainer.ts";
export type {
  TrainerObserver,
  TrainerOptions,
  TrainStep,
  ValidationBatch,
} from "./trainer-options.ts";
export { TrainingError } from "./training-error.ts";
