import { PositionedFile } from "../../formats/common/positioned-file.ts";
import { npyHeader } from "../../formats/npy/npy-array.ts";
import { encodeLayout } from "../../formats/safetensors/header.ts";
import { INPUT_IDS, type OutputSpec } from "./outputs.ts";
import {
  elements,
  type PredictionSink,
  type RowOutputs,
  type SinkOptions,
} from "./prediction-sink.ts";

/** Tokens of each row, beside its outputs. */
const LENGTHS: OutputSpec = { name: "lengths", dtype: "int32", perToken: false, shape: [] };

interface Place {
  readonly spec: OutputSpec;
  readonly file: PositionedFile;
  /** Of the first row. */
  readonly at: number;
  /** Elements of a row, with those behind its end. */
  readonly each: number;
}

/**
 * Tensors [rows, ...] or [rows, longest, ...] in one safetensors file or an npy file each. A row is
 * written where it belongs as soon as it comes: nothing is kept.
 */
export class TensorSink implements PredictionSink {
  readonly files: readonly string[];
  readonly #begin: number;
  readonly #ids: Int32Array;
  readonly #padId: number;
  readonly #places: readonly Place[];

  /** @throws StorageError */
  constructor(format: "safetensors" | "npy", options: SinkOptions) {
    const { folder, name, specs, begin, end, longest, padId } = options;
    this.#begin = begin;
    this.#ids = new Int32Array(longest);
    this.#padId = padId;
    const all = [...specs, LENGTHS].map((spec) => {
      const shape = [end - begin, ...(spec.perToken ? [longest] : []), ...spec.shape];
      return { spec, shape, each: elements(shape.slice(1)) };
    });
    const places: Place[] = [];
    this.#places = places;
    if (format === "safetensors") {
      this.files = [`${name}.safetensors`];
      const types = { float32: "F32", int32: "I32" } as const;
      const layout = encodeLayout(
        new Map(all.map(({ spec, shape }) => [spec.name, { dtype: types[spec.dtype], shape }])),
        { format: "pt" },
      );
      const head = layout.header.byteLength;
      const last = layout.places.at(-1)?.end ?? 0;
      const file = new PositionedFile(folder.file(`${name}.safetensors`), head + last);
      for (const { spec, each } of all) {
        const place = layout.places.find((found) => found.name === spec.name);
        places.push({ spec, file, at: head + (place?.begin ?? 0), each });
      }
      file.write(0, layout.header);
      return;
    }
    this.files = all.map(({ spec }) => `${name}.${spec.name}.npy`);
    for (const { spec, shape, each } of all) {
      const header = npyHeader(spec.dtype, shape);
      const bytes = header.byteLength + 4 * elements(shape);
      const file = new PositionedFile(folder.file(`${name}.${spec.name}.npy`), bytes);
      places.push({ spec, file, at: header.byteLength, each });
      file.write(0, header);
    }
  }

  add({ row, tokens, values }: RowOutputs): void {
    for (const { spec, file, at, each } of this.#places) {
      const found = values[spec.name] ?? this.#integers(spec, tokens);
      const bytes = new Uint8Array(found.buffer, found.byteOffset, found.byteLength);
      file.write(at + 4 * each * (row - this.#begin), bytes);
    }
  }

  async endWindow(): Promise<void> {}

  async finish(): Promise<void> {
    for (const { file } of this.#open()) file.finish();
  }

  close(): void {
    for (const { file } of this.#open()) file.close();
  }

  /** One place for every file. */
  #open(): readonly Place[] {
    return this.#places.filter(({ file }, at) => this.#places[at - 1]?.file !== file);
  }

  #integers({ name }: OutputSpec, tokens: Int32Array): Int32Array {
    if (name !== INPUT_IDS) return Int32Array.of(tokens.length);
    this.#ids.fill(this.#padId).set(tokens);
    return this.#ids;
  }
}
