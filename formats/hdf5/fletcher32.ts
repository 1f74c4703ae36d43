/**
 * HDF5's variant of Fletcher's checksum: 16-bit words read big-endian, an odd last byte as the
 * high half of a word (H5checksum.c).
 */
export function fletcher32(bytes: Uint8Array): number {
  let sum1 = 0;
  let sum2 = 0;
  const words = bytes.length >> 1;
  let at = 0;
  for (let left = words; left > 0; ) {
    // 360 words keep both sums below 2^32.
    const count = Math.min(left, 360);
    left -= count;
    for (let i = 0; i < count; i++) {
      sum1 += ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      sum2 += sum1;
      at += 2;
    }
    sum1 = (sum1 & 0xffff) + (sum1 >>> 16);
    sum2 = (sum2 & 0xffff) + Math.floor(sum2 / 65_536);
  }
  if (bytes.length % 2 === 1) {
    sum1 += (bytes[at] as number) << 8;
    sum2 += sum1;
    sum1 = (sum1 & 0xffff) + (sum1 >>> 16);
    sum2 = (sum2 & 0xffff) + (sum2 >>> 16);
  }
  sum1 = (sum1 & 0xffff) + (sum1 >>> 16);
  sum2 = (sum2 & 0xffff) + (sum2 >>> 16);
  return ((sum2 << 16) | sum1) >>> 0;
}

/** The checksum as HDF5 before 1.6.3 wrote it on little-endian machines. */
export function swappedHalves(sum: number): number {
  return (((sum & 0x00ff_00ff) << 8) | ((sum >>> 8) & 0x00ff_00ff)) >>> 0;
}
