/**
 * `scdl/models`: networks with their losses, written once as programs of `scdl/tensor`.
 */
export { initialParameter, initialParameters } from "./initialise.ts";
export {
  type BatchSize,
  type BuildMode,
  type Initialisation,
  type ModelOutputs,
  type ParameterSpec,
  sizeKey,
  type TrainableModel,
} from "./model.ts";
