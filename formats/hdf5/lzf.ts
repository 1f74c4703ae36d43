/**
 * LZF decompression (the format of Marc Lehmann's liblzf, filter 32000).
 *
 * A control byte below 32 copies that many + 1 literal bytes; otherwise its top three bits (and
 * one more byte when they are 7) give a length - 2, the other five and the next byte a distance - 1.
 *
 * @returns the bytes written into `target`, or -1 when the input is damaged or does not fit.
 */
export function lzfDecompress(source: Uint8Array, target: Uint8Array): number {
  let from = 0;
  let to = 0;
  while (from < source.length) {
    const control = source[from++] as number;
    if (control < 32) {
      const count = control + 1;
      if (from + count > source.length || to + count > target.length) return -1;
      target.set(source.subarray(from, from + count), to);
      from += count;
      to += count;
      continue;
    }
    let count = control >> 5;
    if (count === 7) {
      if (from >= source.length) return -1;
      count += source[from++] as number;
    }
    count += 2;
    if (from >= source.length) return -1;
    const distance = ((control & 31) << 8) + (source[from++] as number) + 1;
    if (distance > to || to + count > target.length) return -1;
    // Source and target may overlap: a run repeats what was just written.
    for (let i = 0; i < count; i++, to++) target[to] = target[to - distance] as number;
  }
  return to;
}
