/** Reused memory of one gather: slots are rows sorted by member, positions their place in the batch. */
export class CollectionGatherPlan {
  readonly capacity: number;
  readonly memberOf: Uint32Array;
  readonly positions: Uint32Array;
  readonly localRows: Float64Array;
  readonly begins: Float64Array;
  readonly ends: Float64Array;
  readonly ats: Float64Array;
  segments = new Uint32Array(1);

  constructor(capacity: number) {
    this.capacity = capacity;
    this.memberOf = new Uint32Array(capacity);
    this.positions = new Uint32Array(capacity);
    this.localRows = new Float64Array(capacity);
    this.begins = new Float64Array(capacity);
    this.ends = new Float64Array(capacity);
    this.ats = new Float64Array(capacity);
  }

  segment(m: number): readonly [begin: number, end: number] {
    return [this.segments[m] as number, this.segments[m + 1] as number];
  }
}
