/**
 * `scdl/tensor`: programs over tensors, their gradients, and what runs them.
 *
 * Build a program with {@link ProgramBuilder} and the operations, append its backward pass with
 * {@link addGradients}, run it with an {@link Executor}.
 */
export { ProgramBuilder } from "./builder.ts";
export type { GradientSums, SumReport } from "./device/sums/gradient-sums.ts";
export { DEVICE_NAMES, executorOfDevice, openDevice } from "./device-names.ts";
export { type DeviceReport, type ListDevicesOptions, listDevices } from "./devices.ts";
export { type DropoutKey, fillDropoutMask } from "./dropout-bits.ts";
export type {
  CompileOptions,
  Executable,
  Executor,
  MemoryUse,
  ParameterState,
  RunInputs,
  RunOptions,
  RunOutputs,
  StateKind,
  StateOptions,
} from "./executor.ts";
export type { ExecutorSettings } from "./executor-settings.ts";
export { addGradients, type GradientOptions } from "./gradients.ts";
export { exportedModel } from "./onnx/model.ts";
export type {
  AttentionAttributes,
  GeluApproximation,
  OpAttributes,
  OpName,
} from "./op-attributes.ts";
export {
  EXECUTORS,
  type ExecutorName,
  type ExecutorOptions,
  openExecutor,
} from "./open-executor.ts";
export * from "./ops/index.ts";
export type {
  AdamSettings,
  LossScaleState,
  OptimizerSettings,
  SgdSettings,
  UpdateGuardOptions,
  UpdateOptions,
  UpdateResult,
} from "./optimizer.ts";
export { collectPeakMemory, type PeakMemory, type PeakMemoryOptions } from "./peak-memory.ts";
export {
  type ConstantValue,
  elementCount,
  type HostArray,
  type HostArrays,
  type NamedValue,
  type NodeSink,
  type Program,
  type ProgramNode,
  type Shape,
  type TensorDType,
  type TensorType,
  type Value,
} from "./program.ts";
export { PRECISIONS, type Precision } from "./torch/precision.ts";
