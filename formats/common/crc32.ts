/** CRC-32 as in gzip and zip, computed in parts that may run in different threads. */
import zlib from "node:zlib";

/** CRC-32 of `bytes`, continuing from `seed`, the value for everything before it. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlib.crc32(bytes, seed);
}

/** Eight lower-case hex digits, as checksums.json stores them. */
export function crc32Hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}

/**
 * CRC-32 of the concatenation of A and B from their own values and B's length in bytes.
 *
 * Appending a zero byte is a linear map over GF(2); `lengthB` of them is that map to a power,
 * by repeated squaring (zlib's crc32_combine).
 */
export function crc32Combine(crcA: number, crcB: number, lengthB: number): number {
  let crc = crcA >>> 0;
  let matrix = squared(squared(squared(oneZeroBit())));
  for (let rest = lengthB; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) crc = apply(matrix, crc);
    matrix = squared(matrix);
  }
  return (crc ^ crcB) >>> 0;
}

/** Column j is the register after one zero bit when it held only bit j. */
function oneZeroBit(): Uint32Array {
  const matrix = new Uint32Array(32);
  matrix[0] = 0xedb8_8320;
  for (let bit = 1; bit < 32; bit++) matrix[bit] = 2 ** (bit - 1);
  return matrix;
}

function apply(matrix: Uint32Array, vector: number): number {
  let sum = 0;
  for (let bit = 0; bit < 32; bit++) {
    if ((vector >>> bit) & 1) sum ^= matrix[bit] as number;
  }
  return sum >>> 0;
}

function squared(matrix: Uint32Array): Uint32Array {
  return matrix.map((column) => apply(matrix, column));
}
