/**
 * Tensors that stand beside the parameters in files, since other programs want them there: `added` of
 * a model's notes. Those that are computed are written anew; those that were trained elsewhere, as the
 * contact head of ESM-2, go through a run as they came.
 */
import { floatTensor } from "../../../formats/safetensors/float-values.ts";
import type { SafetensorsCheckpoint } from "../../../formats/safetensors/shards.ts";
import type { StoredTensor } from "../../../formats/safetensors/tensor.ts";
import { elementCount } from "../../tensor/index.ts";
import type { TrainableModel } from "../model.ts";
import { PLAIN_NOTES } from "./weight-notes.ts";

type Described = Pick<TrainableModel<never>, "weightNotes">;

/** Names of all companions of a model. */
export function companionNames({ weightNotes = PLAIN_NOTES }: Described): readonly string[] {
  return weightNotes.added.map(({ name }) => name);
}

/**
 * All companions of a model, in float32: computed, or of `values`, or zeros. Copies: whoever writes
 * them in another thread takes the arrays away.
 * @param values by name, float32, of {@link readCompanions}; others in it are passed over
 */
export function companionTensors(
  { weightNotes = PLAIN_NOTES }: Described,
  values: ReadonlyMap<string, Float32Array>,
): ReadonlyMap<string, StoredTensor> {
  return new Map(
    weightNotes.added.map(({ name, shape, values: computed }) => {
      const kept = computed ?? values.get(name);
      const data = kept?.slice() ?? new Float32Array(elementCount(shape));
      return [name, floatTensor("F32", shape, data)];
    }),
  );
}

/**
 * The companions that a file has and that are not computed: copies. One of another shape belongs to
 * a model of another size and is left out.
 *
 * @param nameOf what a tensor of the file is called in the model; null for one that is left alone
 * @throws FormatError, StorageError for the file
 */
export function readCompanions(
  { weightNotes = PLAIN_NOTES }: Described,
  file: SafetensorsCheckpoint,
  nameOf: (tensor: string) => string | null = (tensor) => tensor,
): ReadonlyMap<string, Float32Array> {
  const kept = weightNotes.added.filter(({ values }) => values === undefined);
  const shapes = new Map(kept.map(({ name, shape }) => [name, shape.join()]));
  const found = new Map<string, Float32Array>();
  for (const tensor of file.names) {
    const name = nameOf(tensor);
    if (name === null || !shapes.has(name)) continue;
    const { shape } = file.fileOf(tensor).entry(tensor);
    if (shape.join() === shapes.get(name)) found.set(name, file.readFloat32(tensor));
  }
  return found;
}
