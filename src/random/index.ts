/** Random numbers of numpy, torch and Python, bit for bit. */

export type { ChoiceOptions } from "./numpy-choice.ts";
export {
  defaultRng,
  type IntegerArrays,
  type IntegerDType,
  type IntegersOptions,
  NumpyGenerator,
  type NumpyGeneratorState,
} from "./numpy-generator.ts";
export { PythonRandom, type PythonRandomState } from "./python-random.ts";
export { seedFrom } from "./seed-from.ts";
export type { Seed } from "./seed-sequence.ts";
export {
  TorchGenerator,
  type TorchGeneratorOptions,
  type TorchGeneratorState,
  type TorchRelease,
} from "./torch-generator.ts";
export type { MultinomialOptions } from "./torch-multinomial.ts";
