/**
 * One tokenised sequence with its targets, as BioNeMo's `BertSample`: all arrays have one length, in
 * the order of the tokens. The caller owns them.
 */
export interface BertItem {
  /** Token ids, after masking. */
  readonly text: Int32Array;
  /** Segment ids: zeros. */
  readonly types: Int32Array;
  /** 1 for a token that is there. */
  readonly attentionMask: Uint8Array;
  /** The token before masking where the loss counts, another value (-100, or -1 for cls) elsewhere. */
  readonly labels: Int32Array;
  /** 1 where the loss counts. */
  readonly lossMask: Uint8Array;
  /** Next-sentence flags: zeros. */
  readonly isRandom: Uint8Array;
}

/** Items padded to one length: the arrays of {@link BertItem}, [batch, length], row-major. */
export interface BertBatch extends BertItem {
  readonly shape: readonly [batch: number, length: number];
}
