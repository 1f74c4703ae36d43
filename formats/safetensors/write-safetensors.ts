import { type AtomicOptions, writeAtomically } from "../common/atomic-file.ts";
import type { FileDigest, OutputFile } from "../common/output-file.ts";
import { encodeHeader, type PlacedTensor } from "./header.ts";
import type { StoredTensor } from "./tensor.ts";

export interface WriteSafetensorsOptions extends AtomicOptions {
  /** Default `{ format: "pt" }`, which transformers asks for. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const PYTORCH = { format: "pt" };
/** Small enough that the checksum finds the bytes in the cache. */
const WRITE_BYTES = 1 << 20;

/** A whole file in memory: the bytes of Python's `safetensors.torch.save`. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  options: Pick<WriteSafetensorsOptions, "metadata"> = {},
): Uint8Array<ArrayBuffer> {
  const { header, placed } = encodeHeader(tensors, options.metadata ?? PYTORCH);
  let length = header.byteLength;
  for (const { tensor } of placed) length += tensor.data.byteLength;
  const bytes = new Uint8Array(length);
  bytes.set(header);
  let at = header.byteLength;
  for (const placedTensor of placed) {
    const raw = rawBytes(placedTensor);
    bytes.set(raw, at);
    at += raw.byteLength;
  }
  return bytes;
}

/**
 * Writes a file beside `path`, flushes it and renames it. Same tensors and metadata, same bytes.
 *
 * @returns length and CRC-32 of the file
 * @throws InvalidArgumentError for a tensor whose parts do not belong together, StorageError
 */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  options: WriteSafetensorsOptions = {},
): FileDigest {
  const { header, placed } = encodeHeader(tensors, options.metadata ?? PYTORCH);
  return writeAtomically(
    path,
    (file) => {
      file.write(header);
      for (const tensor of placed) writeInParts(file, rawBytes(tensor));
    },
    options,
  );
}

function writeInParts(file: OutputFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength; at += WRITE_BYTES) {
    file.write(bytes.subarray(at, at + WRITE_BYTES));
  }
}

function rawBytes({ tensor: { data } }: PlacedTensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
