/** What is measured on a GPU, and what a machine without one does to try the programs. */
export interface GpuWork {
  /** The part that it belongs to. */
  readonly part: string;
  /** As `gpu_steps.py` knows it. */
  readonly model: string;
  readonly batch: number;
  readonly length: number;
  readonly steps: number;
}

interface Works {
  /** Beside PyTorch, to measure steps. */
  readonly works: readonly GpuWork[];
  /** Beside PyTorch, to compare losses and gradients. */
  readonly correctness: readonly GpuWork[];
  /** With data module and trainer: memory, and the share of a step that waits for data. */
  readonly long: readonly GpuWork[];
  /** Steps of the part `memory`, and of `stop-and-go`. */
  readonly flatSteps: number;
  readonly stopSteps: number;
}

export const GPU: Works = {
  correctness: [
    { part: "correctness", model: "esm2-8M", batch: 8, length: 128, steps: 50 },
    { part: "correctness-geneformer", model: "geneformer-10M", batch: 8, length: 256, steps: 50 },
    { part: "correctness-650M", model: "esm2-650M", batch: 4, length: 256, steps: 5 },
  ],
  works: [
    { part: "650M", model: "esm2-650M", batch: 16, length: 1024, steps: 8 },
    { part: "packed", model: "esm2-650M-lengths", batch: 16, length: 1024, steps: 10 },
    { part: "padded", model: "esm2-650M-padded", batch: 16, length: 1024, steps: 8 },
    { part: "sorted", model: "esm2-650M-sorted", batch: 16, length: 1024, steps: 20 },
    { part: "150M", model: "esm2-150M", batch: 16, length: 1024, steps: 15 },
    { part: "8M", model: "esm2-8M", batch: 32, length: 512, steps: 30 },
    { part: "35M", model: "esm2-35M", batch: 32, length: 512, steps: 20 },
    { part: "geneformer-10M", model: "geneformer-10M", batch: 8, length: 2048, steps: 15 },
    { part: "geneformer-106M", model: "geneformer-106M", batch: 8, length: 2048, steps: 10 },
  ],
  long: [
    { part: "data", model: "esm2-150M", batch: 16, length: 1024, steps: 60 },
    { part: "long", model: "esm2-150M", batch: 16, length: 1024, steps: 1000 },
    { part: "long-8M", model: "esm2-8M", batch: 32, length: 512, steps: 1000 },
  ],
  flatSteps: 1000,
  stopSteps: 20,
};

/** The same parts in sizes that a processor does in seconds. */
export const TRIAL: Works = {
  correctness: [
    { part: "correctness", model: "esm2-8M", batch: 2, length: 32, steps: 3 },
    { part: "correctness-geneformer", model: "geneformer-10M", batch: 1, length: 32, steps: 1 },
  ],
  works: [
    { part: "packed", model: "esm2-8M-lengths", batch: 1, length: 1024, steps: 1 },
    { part: "sorted", model: "esm2-8M-sorted", batch: 2, length: 64, steps: 1 },
    { part: "8M", model: "esm2-8M", batch: 2, length: 32, steps: 2 },
  ],
  long: [
    { part: "data", model: "esm2-8M", batch: 2, length: 64, steps: 4 },
    { part: "long", model: "esm2-8M", batch: 2, length: 64, steps: 10 },
  ],
  flatSteps: 40,
  stopSteps: 4,
};

/** What can be asked for; the first alone unless more are. */
export const PRECISIONS = ["bf16-mixed", "32"] as const;

/**
 * What fits into one call of ten minutes, in the order of what it tells: the last ones are left out when
 * the time is over. A name with "compile-" is the column of torch.compile of that part.
 */
export const CALLS: readonly (readonly string[])[] = [
  [
    ...["devices", "smoke", "operations", "correctness", "matmul", "650M", "packed"],
    ...["150M", "8M", "data", "memory", "out-of-memory", "stop-and-go", "checkpoints"],
    ...["35M", "geneformer-10M", "geneformer-106M"],
  ],
  [
    ...["devices", "correctness-geneformer", "correctness-650M", "long", "padded", "sorted"],
    ...["compile-8M", "compile-geneformer-10M"],
  ],
  [
    ...["devices", "compile-35M", "compile-150M", "compile-650M", "compile-geneformer-106M"],
    ...["long-8M"],
  ],
];
