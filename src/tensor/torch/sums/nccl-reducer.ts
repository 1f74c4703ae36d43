import type { NcclCommunicator } from "../../../distributed/nccl/nccl-communicator.ts";
import type { Libtorch } from "../libtorch.ts";
import type { Tensor } from "../tensor.ts";
import type { CudaStreams } from "./cuda-streams.ts";
import type { DeviceReducer, OwnedTensor } from "./gradient-buckets.ts";

type Gpus = Pick<NcclCommunicator, "allReduceSum" | "broadcast" | "settle" | "close">;

/**
 * Gradients on a GPU, added up by NCCL on a stream of its own, beside the kernels of the backward pass.
 *
 * A bucket becomes one array by a kernel that copies it, and its sums are the gradients from then on.
 * That costs reading and writing the gradients once, and the memory of one bucket; in return a gradient
 * may share memory with what the pass still needs, and NCCL has few large messages.
 */
export class NcclReducer implements DeviceReducer {
  readonly #torch: Libtorch;
  readonly #gpus: Gpus;
  readonly #streams: CudaStreams;
  readonly #stream: number;
  /** The bucket is made, its sums are. */
  readonly #made: number;
  readonly #summed: number;
  /** Elements of the gradients, by bucket. */
  readonly #lengths: readonly (readonly number[])[];

  constructor(
    torch: Libtorch,
    gpus: Gpus,
    streams: CudaStreams,
    lengths: readonly (readonly number[])[],
  ) {
    this.#torch = torch;
    this.#gpus = gpus;
    this.#streams = streams;
    this.#lengths = lengths;
    this.#stream = streams.createStream();
    this.#made = streams.createEvent();
    this.#summed = streams.createEvent();
  }

  start(index: number, gradients: readonly Tensor[]): readonly Tensor[] {
    const torch = this.#torch;
    const flats = gradients.map((gradient) => torch.one("reshape", gradient, [-1]));
    const bucket = torch.one("cat", flats, 0);
    const lengths = this.#lengths[index] ?? [];
    const length = lengths.reduce((sum, one) => sum + one, 0);
    this.#afterKernels();
    const pointer = torch.binding.dataPointer(bucket.handle);
    this.#gpus.allReduceSum([{ pointer, length, dtype: "float32" }], this.#stream);
    let at = 0;
    return lengths.map((one) => {
      at += one;
      return torch.one("slice", bucket, 0, at - one, at);
    });
  }

  /** The host does not wait; libtorch's stream does. */
  finish(): void {
    this.#gpus.settle();
    this.#streams.record(this.#summed, this.#stream);
    this.#streams.wait(this.#streams.current(), this.#summed);
  }

  /** The same, with values in place: nothing is copied on the device of the owner. */
  share(owned: readonly OwnedTensor[]): void {
    const { binding } = this.#torch;
    this.#afterKernels();
    const arrays = owned.map(({ tensor, length, owner }) => {
      return {
        pointer: binding.dataPointer(tensor.handle),
        length,
        owner,
        dtype: "float32",
      } as const;
    });
    this.#gpus.broadcast(arrays, this.#stream);
    this.finish();
  }

  /** What comes next on the own stream has what libtorch's kernels made until now. */
  #afterKernels(): void {
    // What the call before had to wait for comes before on the stream.
    this.#gpus.settle();
    this.#streams.record(this.#made, this.#streams.current());
    this.#streams.wait(this.#stream, this.#made);
  }

  close(): void {
    this.#gpus.close();
    this.#streams.destroyEvent(this.#made);
    this.#streams.destroyEvent(this.#summed);
    this.#streams.destroyStream(this.#stream);
  }
}
