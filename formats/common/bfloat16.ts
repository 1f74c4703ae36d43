/** bfloat16: the upper half of a float32. Widening is exact, narrowing rounds to nearest even. */

/** Widens raw bit patterns into `target`, which holds at least as many elements. */
export function bfloat16ToFloat32(bits: Uint16Array, target: Float32Array): void {
  const wide = new Uint32Array(target.buffer, target.byteOffset, bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = (bits[i] as number) << 16;
}

/**
 * Narrows into raw bit patterns, ties to even; `bits` holds at least as many elements. NaN stays
 * NaN, with bits of its own, as in torch.
 */
export function float32ToBfloat16(values: Float32Array, bits: Uint16Array): void {
  const wide = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < wide.length; i++) bits[i] = roundBits(wide[i] as number);
}

function roundBits(bits: number): number {
  if ((bits & 0x7fff_ffff) > 0x7f80_0000) return 0x7fc0;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
