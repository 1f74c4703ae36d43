/** IEEE 754 half precision: exact widening, round-to-nearest-even narrowing. */

const WORD = new Uint32Array(1);
const FLOAT = new Float32Array(WORD.buffer);

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
 * Bit pattern of the half precision number nearest to `value`, ties to even, overflow to infinity,
 * as numpy's `astype(float16)` from float64.
 *
 * Rounds once, from the float64 input.
 */
export function toFloat16Bits(value: number): number {
  FLOAT[0] = value;
  const sign = ((WORD[0] as number) >>> 16) & 0x8000;
  const magnitude = Math.abs(value);
  if (Number.isNaN(magnitude)) return sign | 0x7e00;
  if (magnitude >= 65_520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundHalfEven(magnitude * 2 ** 24);
  const exponent = Math.floor(Math.log2(magnitude));
  const scale = magnitude < 2 ** exponent ? exponent - 1 : exponent;
  // A fraction that rounds up to 2048 carries into the exponent, which is what addition does here.
  return sign | (((scale + 14) << 10) + roundHalfEven(magnitude * 2 ** (10 - scale)));
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest > 0.5 || (rest === 0.5 && floor % 2 === 1)) return floor + 1;
  return floor;
}
