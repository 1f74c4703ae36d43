/** A tensor of libtorch, owned by whoever holds it: {@link Libtorch.release} frees it. */
export class Tensor {
  /** Address of libtorch's object; 0 once it is freed. */
  handle: number;
  /** Somebody holds it: the end of an operation does not free it. */
  kept = false;
  /** Memory of JavaScript that it lies in; kept alive with it. */
  host: ArrayBufferView | undefined;
  /** The same values in the lower precision of the run; freed with it. */
  lowered: Tensor | undefined;

  constructor(handle: number) {
    this.handle = handle;
  }
}

/** What an operator takes; which of the kinds of number it is, its schema says. */
export type Argument =
  | Tensor
  | number
  | boolean
  | string
  | null
  | Device
  | readonly Tensor[]
  | readonly number[]
  | readonly boolean[];

/** A device as libtorch numbers it. */
export interface Device {
  readonly type: number;
  readonly index: number;
}
