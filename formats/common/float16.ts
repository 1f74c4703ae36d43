/** IEEE 754 half precision: exact widening, round-to-nearest-even narrowing. */

const SINGLE = new Float32Array(1);
const SINGLE_BITS = new Uint32Array(SINGLE.buffer);

let table: Float32Array | undefined;

function widenOne(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The 65,536 half precision values by bit pattern, built on first use (256 KiB). */
export function float16Table(): Float32Array {
  if (table === undefined) {
    table = new Float32Array(65_536);
    for (let bits = 0; bits < 65_536; bits++) table[bits] = widenOne(bits);
  }
  return table;
}

/** Widens raw half precision bit patterns into `target`, which holds at least as many elements. */
export function float16ToFloat32(bits: Uint16Array, target: Float32Array): void {
  const values = float16Table();
  for (let i = 0; i < bits.length; i++) target[i] = values[bits[i] as number] as number;
}

/**
 * Bits of the half precision number nearest to `value`, ties to even, overflow to infinity, as
 * numpy's `astype(float16)`.
 *
 * A float64 first becomes a float32 rounded to odd, which keeps the second rounding correct.
 */
export function toFloat16Bits(value: number): number {
  SINGLE[0] = value;
  let bits = SINGLE_BITS[0] as number;
  const single = SINGLE[0] as number;
  if (single !== value && !Number.isNaN(value)) {
    if (Math.abs(single) > Math.abs(value)) bits -= 1;
    bits |= 1;
  }
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fff_ffff;
  if (magnitude >= 0x4780_0000) {
    if (magnitude <= 0x7f80_0000) return sign | 0x7c00;
    const payload = (magnitude >>> 13) & 0x3ff;
    return sign | 0x7c00 | (payload === 0 ? 1 : payload);
  }
  if (magnitude >= 0x3880_0000) {
    return sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x3800_0000) >>> 13);
  }
  // Subnormal: adding and taking away 2^52 rounds to an integer, ties to even.
  return sign | (Math.abs(value) * 2 ** 24 + 2 ** 52 - 2 ** 52);
}
