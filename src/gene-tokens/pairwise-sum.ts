/**
 * Sums in numpy's order: pairwise, eight accumulators wide. The last bits of a sum depend on the
 * order, and the ranks of nearly equal genes on the last bits.
 */

/** numpy splits what is longer. */
const BLOCK = 128;

/** Where numpy splits `count` values: half of them, rounded down to a multiple of 8. */
function half(count: number): number {
  const middle = count >> 1;
  return middle - (middle % 8);
}

/** `values[begin, begin + count)` as numpy adds float64. */
export function pairwiseSum64(values: Float64Array, begin: number, count: number): number {
  if (count > BLOCK) {
    const left = half(count);
    return pairwiseSum64(values, begin, left) + pairwiseSum64(values, begin + left, count - left);
  }
  let sum = 0;
  let i = begin;
  if (count >= 8) {
    let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
    for (const end = begin + count - (count % 8); i < end; i += 8) {
      a += values[i] as number;
      b += values[i + 1] as number;
      c += values[i + 2] as number;
      d += values[i + 3] as number;
      e += values[i + 4] as number;
      f += values[i + 5] as number;
      g += values[i + 6] as number;
      h += values[i + 7] as number;
    }
    sum = a + b + (c + d) + (e + f + (g + h));
  }
  for (const end = begin + count; i < end; i++) sum += values[i] as number;
  return sum;
}

/** The same for float32 values, every sum rounded to float32. */
export function pairwiseSum32(values: Float64Array, begin: number, count: number): number {
  const { fround } = Math;
  if (count > BLOCK) {
    const left = half(count);
    return fround(
      pairwiseSum32(values, begin, left) + pairwiseSum32(values, begin + left, count - left),
    );
  }
  let sum = 0;
  let i = begin;
  if (count >= 8) {
    let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
    for (const end = begin + count - (count % 8); i < end; i += 8) {
      a = fround(a + (values[i] as number));
      b = fround(b + (values[i + 1] as number));
      c = fround(c + (values[i + 2] as number));
      d = fround(d + (values[i + 3] as number));
      e = fround(e + (values[i + 4] as number));
      f = fround(f + (values[i + 5] as number));
      g = fround(g + (values[i + 6] as number));
      h = fround(h + (values[i + 7] as number));
    }
    sum = fround(fround(fround(a + b) + fround(c + d)) + fround(fround(e + f) + fround(g + h)));
  }
  for (const end = begin + count; i < end; i++) sum = fround(sum + (values[i] as number));
  return sum;
}
