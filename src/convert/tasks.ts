import { itemBytes } from "../../formats/common/dtype.ts";
import { canDecode } from "../../formats/hdf5/filters.ts";
import type { ArrayStorage } from "../../formats/hdf5/storage.ts";
import type { ArrayJob, DecodeTask } from "./decode-task.ts";

type Location = Pick<ArrayJob, "filters" | "chunkLength">;

/**
 * Cuts a stored array into tasks of whole chunks, each about `taskElements` long, in order.
 * Contiguous storage is treated as unfiltered chunks of that length.
 *
 * @returns null for storage that only HDF5 itself can read
 */
export function planTasks(
  storage: ArrayStorage,
  taskElements: number,
): (Location & { readonly tasks: readonly DecodeTask[] }) | null {
  const { layout, length } = storage;
  if (layout.kind === "opaque") return null;
  const item = itemBytes(storage.dtype);
  const tasks: DecodeTask[] = [];
  if (layout.kind === "contiguous") {
    for (let begin = 0; begin < length; begin += taskElements) {
      const count = Math.min(taskElements, length - begin);
      tasks.push({
        begin,
        count,
        addresses: Float64Array.of(layout.address + begin * item),
        sizes: Uint32Array.of(count * item),
        masks: Uint32Array.of(0),
      });
    }
    return { filters: [], chunkLength: taskElements, tasks };
  }
  const { chunkLength, filters, addresses, sizes, masks } = layout;
  if (!canDecode(filters)) return null;
  const chunksPerTask = Math.max(1, Math.floor(taskElements / chunkLength));
  for (let chunk = 0; chunk < addresses.length; chunk += chunksPerTask) {
    const begin = chunk * chunkLength;
    const end = chunk + chunksPerTask;
    tasks.push({
      begin,
      count: Math.min(length, end * chunkLength) - begin,
      addresses: addresses.slice(chunk, end),
      sizes: sizes.slice(chunk, end),
      masks: masks.slice(chunk, end),
    });
  }
  return { filters, chunkLength, tasks };
}
