import fs from "node:fs";
import path from "node:path";
import * as arrow from "apache-arrow";
import { itemBytes } from "../../formats/common/dtype.ts";
import { FormatError, fromFsError, StorageError } from "../../formats/common/errors.ts";
import { unifiedType } from "../../formats/parquet/columns.ts";
import type { ArchiveWriter } from "../../formats/scdl/archive-writer.ts";
import { ARRAY_FILES } from "../../formats/scdl/layout.ts";
import { verifyArchive } from "../../formats/scdl/verify.ts";
import { BackgroundFlush } from "./background-flush.ts";
import { DecodePool } from "./decode-pool.ts";
import { selectedBatches } from "./frame-selection.ts";
import { type OpenInput, openInput, type PlannedInput, summarizeInputs } from "./input-summary.ts";
import {
  copyRowPointers,
  decodeMatrix,
  type FileSum,
  locate,
  type MatrixSum,
  type MatrixTarget,
  streamMatrix,
} from "./matrix-writer.ts";
import { NeighborWriter } from "./neighbors.ts";
import type { ConvertOptions, ConvertResult } from "./options.ts";
import { type ConversionPlan, planConversion } from "./plan.ts";
import { ProgressMeter } from "./progress.ts";
import { RowPointerWriter } from "./row-pointers.ts";
import type { Settings } from "./settings.ts";
import { bytesUnder, joined, namesOf, valuesIn } from "./totals.ts";

/** One run: the state that steps share and that {@link stop} has to end. */
export class Conversion {
  readonly #options: ConvertOptions;
  readonly #settings: Settings;
  readonly #writer: ArchiveWriter;
  readonly #pool: DecodePool;
  readonly #meter: ProgressMeter;
  readonly #open = new Set<OpenInput>();
  #flush: BackgroundFlush | null = null;
  readonly #onAbort = (): void => {
    void this.#pool.close();
  };

  constructor(options: ConvertOptions, settings: Settings, writer: ArchiveWriter) {
    this.#options = options;
    this.#settings = settings;
    this.#writer = writer;
    this.#meter = new ProgressMeter(options.onProgress);
    this.#pool = new DecodePool({
      workers: settings.workers,
      signal: options.signal,
      onTask: ({ bytes }) => this.#onWritten(bytes, 0),
    });
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  #onWritten(bytes: number, rows: number): void {
    this.#flush?.add(bytes);
    this.#meter.add(bytes, rows);
  }

  /** Ends threads and closes files; nothing is written any more once it resolves. */
  async stop(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    await this.#pool.close();
    for (const input of this.#open) await input.file.close();
    this.#open.clear();
    const flush = this.#flush;
    this.#flush = null;
    await flush?.close();
  }

  async run(paths: readonly string[]): Promise<ConvertResult> {
    const inputs = await summarizeInputs(paths, this.#options, (file) =>
      this.#meter.begin("planning", file),
    );
    for (const { open } of inputs) if (open !== null) this.#open.add(open);
    const plan = planConversion(inputs, {
      dataDtype: this.#settings.dataDtype,
      unify: unifySchemas,
    });
    const sums = await this.#writeAll(inputs, plan);
    this.#meter.begin("finishing", this.#options.output);
    return this.#finish(inputs, plan, sums);
  }

  async #writeAll(inputs: readonly PlannedInput[], plan: ConversionPlan): Promise<WrittenSums> {
    const { dataPath, indicesPath } = this.#createArrays(plan);
    const itemSize = itemBytes(plan.dataDtype) + itemBytes(plan.colPtrDtype);
    this.#meter.expect(plan.nObs, (plan.nnz ?? 0) * itemSize);
    const rows = new RowPointerWriter(this.#writer.pathOf("indptr"), plan.rowPtrDtype);
    const neighbors = this.#createNeighbors();
    const sums: Promise<MatrixSum>[] = [];
    for (const [index, summary] of inputs.entries()) {
      this.#options.signal?.throwIfAborted();
      // At most two matrices at once, so that a failure is noticed and files are closed.
      await sums[index - 2];
      this.#meter.begin("converting", summary.path);
      const input = summary.open ?? (await this.#reopen(summary));
      const target: MatrixTarget = {
        dataPath,
        indicesPath,
        dataDtype: plan.dataDtype,
        colPtrDtype: plan.colPtrDtype,
        elementBegin: rows.nnz,
        tolerance: this.#settings.tolerance,
        allowLossy: this.#options.allowLossy ?? false,
      };
      const sum = await this.#startMatrix(summary, input, target, rows);
      sums.push(sum.written);
      await this.#writeFeatures(index, input, plan);
      const { rowBegin } = plan.files[index] ?? { rowBegin: 0 };
      if (input.neighbors !== null) {
        await neighbors?.append(summary.path, input.neighbors, rowBegin, this.#options.signal);
      }
      await input.file.release();
      void sum.written.then(() => this.#close(input)).catch(() => {});
    }
    const matrices = await Promise.all(sums);
    for (const [index, { maxAbsDiff }] of matrices.entries()) {
      if (maxAbsDiff !== null) this.#warnLoss(inputs[index]?.path ?? "", maxAbsDiff);
    }
    return { matrices, rows: rows.finish(), nnz: rows.nnz, neighbors: neighbors?.finish() ?? null };
  }

  /** Row pointers are complete on return, values when `written` resolves. */
  async #startMatrix(
    summary: PlannedInput,
    input: OpenInput,
    target: MatrixTarget,
    rows: RowPointerWriter,
  ): Promise<{ readonly written: Promise<MatrixSum> }> {
    const { matrix } = input;
    const located = await locate(matrix, this.#settings.taskElements);
    if (located !== null) {
      const written = decodeMatrix(summary.path, matrix, located, target, this.#pool);
      // It is awaited later; until then its failure must not count as unhandled.
      written.catch(() => {});
      await copyRowPointers(matrix, rows, this.#options.signal);
      if (rows.nnz - target.elementBegin !== matrix.nnz) {
        throw new FormatError(
          "bad-indptr",
          `${matrix.path}: row pointers end at ${rows.nnz - target.elementBegin}, expected ${matrix.nnz} values`,
          { path: summary.path },
        );
      }
      return { written };
    }
    const sum = await streamMatrix(summary.path, matrix, target, rows, {
      blockBytes: this.#settings.blockBytes,
      signal: this.#options.signal,
      onBlock: (bytes, blockRows) => this.#onWritten(bytes, blockRows),
    });
    return { written: Promise.resolve(sum) };
  }

  async #reopen(summary: PlannedInput): Promise<OpenInput> {
    // Warnings were given when the file was planned.
    const { onWarning: _, ...quiet } = this.#options;
    const input = await openInput(summary.path, quiet);
    this.#open.add(input);
    const [nObs, nVars] = input.matrix.shape;
    if (
      nObs !== summary.nObs ||
      nVars !== summary.nVars ||
      (input.matrix.nnz ?? null) !== summary.nnz
    ) {
      throw new StorageError("file-changed", "the file changed while it was converted", {
        path: summary.path,
        suggestions: ["convert it again when nothing writes to it any more"],
      });
    }
    return input;
  }

  async #close(input: OpenInput): Promise<void> {
    this.#open.delete(input);
    await input.file.close();
  }

  #createArrays(plan: ConversionPlan): { readonly dataPath: string; readonly indicesPath: string } {
    const dataPath = this.#writer.pathOf("data");
    const indicesPath = this.#writer.pathOf("indices");
    createFile(dataPath, (plan.nnz ?? 0) * itemBytes(plan.dataDtype));
    createFile(indicesPath, (plan.nnz ?? 0) * itemBytes(plan.colPtrDtype));
    this.#flush = new BackgroundFlush([dataPath, indicesPath]);
    return { dataPath, indicesPath };
  }

  #createNeighbors(): NeighborWriter | null {
    if (this.#options.neighbors === undefined) return null;
    const paths = {
      indices: this.#writer.pathOf("neighborIndices"),
      indptr: this.#writer.pathOf("neighborIndptr"),
      values: this.#writer.pathOf("neighborValues"),
    };
    createFile(paths.indices, 0);
    createFile(paths.values, 0);
    return new NeighborWriter(paths, {
      blockBytes: this.#settings.blockBytes,
      allowLossy: this.#options.allowLossy ?? false,
    });
  }

  async #writeFeatures(index: number, input: OpenInput, plan: ConversionPlan): Promise<void> {
    const { signal } = this.#options;
    const { varFeatures, obsFeatures } = this.#writer;
    const varBlock = plan.varBlocks.find(({ file }) => file === index);
    if (varBlock !== undefined) {
      const { label, nRows } = varBlock;
      varFeatures.beginBlock({ label, nRows, schema: input.var.schema });
      for await (const batch of selectedBatches(input.var, signal)) await varFeatures.write(batch);
      await varFeatures.endBlock();
    }
    const obsBlock = plan.obsBlocks.find(({ files }) => files.includes(index));
    if (obsBlock === undefined) return;
    const { label, nRows, schema, files } = obsBlock;
    if (files[0] === index) obsFeatures.beginBlock({ label, nRows, schema });
    for await (const batch of selectedBatches(input.obs, signal)) await obsFeatures.write(batch);
    if (files.at(-1) === index) await obsFeatures.endBlock();
  }

  #warnLoss(file: string, maxAbsDiff: number): void {
    // The original's words, so that scripts that look for them still find them.
    this.#options.onWarning?.(
      `${file}: Downcasted data values for 'data.npy' are not close to original values. Max abs diff: ${maxAbsDiff}`,
    );
  }

  async #finish(
    inputs: readonly PlannedInput[],
    plan: ConversionPlan,
    written: WrittenSums,
  ): Promise<ConvertResult> {
    const { matrices, rows, nnz, neighbors } = written;
    const checksums = new Map<string, FileSum>([
      [ARRAY_FILES.data, joined(matrices.flatMap(({ data }) => data))],
      [ARRAY_FILES.indices, joined(matrices.flatMap(({ indices }) => indices))],
      [ARRAY_FILES.indptr, rows],
    ]);
    if (neighbors !== null) {
      checksums.set(ARRAY_FILES.neighborIndices, neighbors.indices);
      checksums.set(ARRAY_FILES.neighborIndptr, neighbors.indptr);
      checksums.set(ARRAY_FILES.neighborValues, neighbors.values);
    }
    const dtypes = { data: plan.dataDtype, rowPtr: rows.dtype, colPtr: plan.colPtrDtype };
    await this.stop();
    this.#options.signal?.throwIfAborted();
    await this.#writer.commit({
      nObs: plan.nObs,
      nnz,
      dtypes: { data: dtypes.data, indptr: dtypes.rowPtr, indices: dtypes.colPtr },
      checksums,
    });
    const { output } = this.#options;
    if (this.#options.verify === true) await this.#verify();
    return {
      output,
      files: inputs.map((input, index) => ({
        path: input.path,
        matrix: input.matrixName,
        nObs: input.nObs,
        nVars: input.nVars,
        nnz: input.nnz ?? valuesIn(matrices[index], plan.dataDtype),
      })),
      nObs: plan.nObs,
      nVars: plan.varBlocks.map(({ file }) => inputs[file]?.nVars ?? 0),
      nnz,
      dtypes,
      obsColumns: namesOf(plan.obsBlocks.map(({ schema }) => schema)),
      varColumns: namesOf(inputs.map(({ varSchema }) => varSchema)),
      neighbors: neighbors?.count ?? null,
      lossyFiles: matrices.flatMap(({ maxAbsDiff }, index) =>
        maxAbsDiff === null ? [] : [{ path: inputs[index]?.path ?? "", maxAbsDiff }],
      ),
      bytesOnDisk: bytesUnder(output),
      verified: this.#options.verify === true,
    };
  }

  async #verify(): Promise<void> {
    const { output, signal } = this.#options;
    this.#meter.begin("verifying", output);
    const problems = await verifyArchive(output, signal === undefined ? {} : { signal });
    for (const { severity, file, message } of problems) {
      const place = path.join(output, file);
      if (severity === "warning") this.#options.onWarning?.(`${place}: ${message}`);
      if (severity === "error") {
        throw new FormatError("verification-failed", message, { path: place });
      }
    }
  }
}

interface WrittenSums {
  readonly matrices: readonly MatrixSum[];
  readonly rows: ReturnType<RowPointerWriter["finish"]>;
  readonly nnz: number;
  readonly neighbors: ReturnType<NeighborWriter["finish"]> | null;
}

/** The schema of one obs block: the newcomer's order, as the original's dict has it. */
function unifySchemas(a: arrow.Schema, b: arrow.Schema): arrow.Schema {
  return new arrow.Schema(
    b.fields.map((field) => {
      const other = a.fields.find(({ name }) => name === field.name) ?? field;
      return new arrow.Field(field.name, unifiedType(other.type, field.type, field.name), true);
    }),
  );
}

function createFile(file: string, bytes: number): void {
  try {
    const descriptor = fs.openSync(file, "wx");
    fs.ftruncateSync(descriptor, bytes);
    fs.closeSync(descriptor);
  } catch (error) {
    throw fromFsError(error, file);
  }
}
