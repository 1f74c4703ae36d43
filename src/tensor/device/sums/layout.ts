/** Parameters whose gradients are added up over the ranks as one array. */
export interface GradientBucket {
  readonly parameters: readonly { readonly name: string; readonly length: number }[];
  /** Elements of all together. */
  readonly length: number;
}

export interface BucketSizes {
  /** Elements of the first: small, so that the exchange begins early. */
  readonly first: number;
  /** Elements of the others; a bucket ends where it has as many or more. */
  readonly others: number;
}

const MIB = (1 << 20) / Float32Array.BYTES_PER_ELEMENT;
/** Those of PyTorch's DistributedDataParallel: a GPU's links want large messages. */
export const DEVICE_BUCKETS: BucketSizes = { first: MIB, others: 25 * MIB };
/** Of the host's memory, where a message of 4 MiB is as fast as any. */
export const HOST_BUCKETS: BucketSizes = { first: MIB, others: 4 * MIB };

/** The last of a step, behind those of gradients: one number, see `UpdateGuard.health`. */
export const HEALTH_BUCKET: GradientBucket = {
  parameters: [{ name: "", length: 1 }],
  length: 1,
};

/**
 * Divides parameters into buckets, the last ones first: the backward pass makes their gradients in about
 * this order. It depends on nothing but the parameters, so that all ranks have the same, and a run that
 * goes on adds up in the order of the one that stopped.
 */
export function gradientBuckets(
  lengths: ReadonlyMap<string, number>,
  sizes: BucketSizes,
): readonly GradientBucket[] {
  const buckets: { parameters: { name: string; length: number }[]; length: number }[] = [];
  for (const [name, length] of [...lengths].reverse()) {
    const last = buckets.at(-1);
    const limit = buckets.length === 1 ? sizes.first : sizes.others;
    if (last === undefined || last.length >= limit) {
      buckets.push({ parameters: [{ name, length }], length });
    } else {
      last.parameters.push({ name, length });
      last.length += length;
    }
  }
  return buckets;
}
