import { ElementSource } from "../../formats/bytes/element-source.ts";
import { assertInPlace } from "../../formats/bytes/file-source.ts";
import { type FileAccess, openSource } from "../../formats/bytes/open-source.ts";
import type { UnsignedDType } from "../../formats/common/dtype.ts";
import { FormatError } from "../../formats/common/errors.ts";
import { contentHash } from "./content-hash.ts";
import type { DatasetArray } from "./dataset-archive.ts";
import type { MatrixDTypes } from "./gather-buffers.ts";
import { RowPointers } from "./row-pointers.ts";

export interface MatrixFileOptions {
  readonly access: FileAccess;
  readonly budgetBytes: number;
  readonly nRows: number;
  /** How errors call a row. */
  readonly what: string;
}

/** The three files of a CSR matrix on disk, opened together and closed together. */
export class MatrixFile {
  readonly data: ElementSource;
  readonly indices: ElementSource;
  readonly pointers: RowPointers;
  readonly dtypes: MatrixDTypes & { readonly indptr: UnsignedDType };
  readonly nnz: number;
  /** Which files were opened; see ByteSource. */
  readonly identity: string;

  private constructor(
    data: ElementSource,
    indices: ElementSource,
    pointers: RowPointers,
    dtypes: MatrixDTypes & { readonly indptr: UnsignedDType },
  ) {
    this.data = data;
    this.indices = indices;
    this.pointers = pointers;
    this.dtypes = dtypes;
    this.nnz = pointers.nnz;
    this.identity = [data.source, indices.source, pointers.source]
      .map(({ identity }) => identity)
      .join(" ");
  }

  /** Touches no data: row pointers are read when rows are. */
  static open(
    files: {
      readonly data: DatasetArray;
      readonly indices: DatasetArray;
      readonly indptr: DatasetArray;
    },
    options: MatrixFileOptions,
  ): MatrixFile {
    const opened: ElementSource[] = [];
    const open = (file: DatasetArray) => {
      const source = openSource(file.path, { access: options.access });
      try {
        const elements = new ElementSource(source, file);
        opened.push(elements);
        return elements;
      } catch (error) {
        source.close();
        throw error;
      }
    };
    try {
      const data = open(files.data);
      const indices = open(files.indices);
      const pointers = new RowPointers(open(files.indptr), {
        nRows: options.nRows,
        nnz: Math.min(files.data.length, files.indices.length),
        budgetBytes: options.budgetBytes,
        what: options.what,
      });
      return new MatrixFile(data, indices, pointers, {
        data: files.data.dtype,
        indices: unsigned(files.indices),
        indptr: unsigned(files.indptr),
      });
    } catch (error) {
      for (const { source } of opened) source.close();
      throw error;
    }
  }

  /** @throws StorageError "file-changed", NotFoundError when the paths name other files by now. */
  assertInPlace(): void {
    for (const { source } of [this.data, this.indices, this.pointers]) assertInPlace(source);
  }

  contentHash(): string {
    return contentHash([this.pointers.elements, this.indices, this.data]);
  }

  close(): void {
    this.pointers.close();
    this.data.source.close();
    this.indices.source.close();
  }
}

function unsigned(file: DatasetArray): UnsignedDType {
  const { dtype } = file;
  if (dtype === "uint8" || dtype === "uint16" || dtype === "uint32" || dtype === "uint64") {
    return dtype;
  }
  throw new FormatError("bad-dtype", `elements are ${dtype}, expected an unsigned type`, {
    path: file.path,
  });
}
