import { createHash } from "node:crypto";

/** Start of the sha256 of an array's bytes: how weights and lists stand in a description. */
export function checksum(values: NodeJS.TypedArray): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}
