import { join } from "node:path";
import { writeAtomically } from "../../../formats/common/atomic-file.ts";
import { fromFsError, NotFoundError } from "../../../formats/common/errors.ts";
import { makeDirectories } from "../../../formats/common/make-directories.ts";
import { type FloatStoredDType, floatTensor } from "../../../formats/safetensors/float-values.ts";
import { type WriteShardsOptions, writeShards } from "../../../formats/safetensors/shards.ts";
import type { StoredTensor } from "../../../formats/safetensors/tensor.ts";
import type { TrainableModel } from "../model.ts";
import { companionTensors } from "./companions.ts";
import { CONFIG_FILE, modelConfigText } from "./config-text.ts";

export interface SaveWeightsOptions extends WriteShardsOptions {
  /** Type of the numbers in the file. Default: "F32". */
  readonly dtype?: FloatStoredDType;
}

const TORCH_DTYPES = { F64: "float64", F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

/**
 * Writes `config.json` and `model.safetensors` (several files and an index above `maxShardBytes`) into
 * a folder, which is made when it is not there. For ESM-2 and the authors' Geneformer,
 * `from_pretrained` of transformers reads the folder.
 *
 * @param values of all parameters, by name, and of `companions` of loaded weights, which are zeros
 *   otherwise
 * @throws NotFoundError for a parameter without values, StorageError
 */
export function saveWeights(
  model: Pick<TrainableModel<never>, "config" | "parameters" | "weightNotes">,
  values: ReadonlyMap<string, Float32Array>,
  directory: string,
  options: SaveWeightsOptions = {},
): void {
  const { dtype = "F32", ...writing } = options;
  const tensors = new Map<string, StoredTensor>();
  for (const { name, shape } of model.parameters) {
    const data = values.get(name);
    if (data === undefined) {
      throw new NotFoundError("parameter-missing", `no values for the parameter ${name}`, {
        what: name,
      });
    }
    tensors.set(name, floatTensor(dtype, shape, data));
  }
  for (const [name, tensor] of companionTensors(model, values)) tensors.set(name, tensor);
  try {
    makeDirectories(directory);
  } catch (error) {
    throw fromFsError(error, directory);
  }
  const config = { ...model.config, ...("torch_dtype" in model.config ? dtypes(dtype) : {}) };
  writeShards(directory, tensors, writing);
  const text = Buffer.from(modelConfigText(config));
  writeAtomically(join(directory, CONFIG_FILE), (file) => file.write(text), writing);
}

/** Both names of the field: transformers 5 and those before. */
function dtypes(dtype: FloatStoredDType) {
  return { torch_dtype: TORCH_DTYPES[dtype], dtype: TORCH_DTYPES[dtype] };
}
