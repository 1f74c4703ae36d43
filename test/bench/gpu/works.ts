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

export const GPU_WORKS: readonly GpuWork[] = [
  { part: "8M", model: "esm2-8M", batch: 32, length: 512, steps: 30 },
  { part: "35M", model: "esm2-35M", batch: 32, length: 512, steps: 20 },
  { part: "150M", model: "esm2-150M", batch: 16, length: 1024, steps: 15 },
  { part: "650M", model: "esm2-650M", batch: 16, length: 1024, steps: 8 },
  { part: "packed", model: "esm2-650M-lengths", batch: 16, length: 1024, steps: 10 },
  { part: "geneformer-10M", model: "geneformer-10M", batch: 8, length: 2048, steps: 15 },
  { part: "geneformer-106M", model: "geneformer-106M", batch: 8, length: 2048, steps: 10 },
];

/** The same parts in sizes that a processor does in seconds. */
export const TRIAL_WORKS: readonly GpuWork[] = [
  { part: "8M", model: "esm2-8M", batch: 2, length: 32, steps: 2 },
  { part: "packed", model: "esm2-8M-lengths", batch: 2, length: 512, steps: 2 },
  { part: "geneformer-10M", model: "geneformer-10M", batch: 1, length: 64, steps: 1 },
];

export const PRECISIONS = ["bf16-mixed", "32"] as const;
