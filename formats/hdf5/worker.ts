/**
 * The thread that runs the HDF5 library: it may hang, trap or fill its memory on a hostile file,
 * and the client then ends it. One file per thread, one request at a time.
 */
import fs from "node:fs";
import { parentPort } from "node:worker_threads";
import { errorToMessage } from "../common/error-message.ts";
import { FormatError, ScdlError } from "../common/errors.ts";
import type {
  ErrorReport,
  Hdf5Reply,
  Hdf5Request,
  Hdf5Results,
  Hdf5Values,
  Numbered,
} from "./protocol.ts";
import { isTrap, WasmFile } from "./wasm-file.ts";

// Node has WebAssembly; its type package leaves the declarations to the DOM library.
declare namespace WebAssembly {
  class Memory {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
}

const port = parentPort;
if (port === null) throw new Error("worker.ts runs as a worker thread");

// The library and its plugins print about damaged chunks straight to descriptors 1 and 2, which
// belong to the caller; this thread's `fs` is its own.
const writeSync = fs.writeSync;
fs.writeSync = ((fd: number, buffer: Uint8Array, ...rest: [number, number, number | null]) =>
  fd === 1 || fd === 2 ? rest[1] : writeSync(fd, buffer, ...rest)) as typeof fs.writeSync;
for (const stream of [process.stdout, process.stderr]) stream.write = () => true;

// A damaged size makes the library ask for gigabytes; refused, it reports a failed allocation.
// One read is 512 MiB at most, the rest is the library's own.
const MAX_LIBRARY_BYTES = 768 << 20;
const PAGE_BYTES = 65_536;
const { grow } = WebAssembly.Memory.prototype;
WebAssembly.Memory.prototype.grow = function limited(pages: number): number {
  if (this.buffer.byteLength + pages * PAGE_BYTES > MAX_LIBRARY_BYTES) {
    throw new RangeError("the HDF5 library wants too much memory");
  }
  return grow.call(this, pages);
};

let file: WasmFile | undefined;
let filePath = "";

async function serve(request: Hdf5Request): Promise<Hdf5Results[Hdf5Request["op"]]> {
  if (request.op === "open") {
    filePath = request.path;
    file = await WasmFile.open(filePath);
    return null;
  }
  if (file === undefined) throw new Error("no file is open");
  switch (request.op) {
    case "node":
      return file.node(request.path);
    case "read":
      return file.read(request.path, request.begin, request.end, request.fields);
    case "locate":
      return file.locate(request.path);
    case "close": {
      const memoryBytes = file.close();
      file = undefined;
      return memoryBytes;
    }
  }
}

function transfersOf(values: Hdf5Values, list: ArrayBuffer[]): ArrayBuffer[] {
  switch (values.kind) {
    case "number":
      // takeColumn allocates every array itself, never as shared memory.
      list.push(values.values.buffer as ArrayBuffer);
      break;
    case "boolean":
      list.push(values.values.buffer);
      break;
    case "string":
      list.push(values.offsets.buffer, values.bytes.buffer);
      break;
    case "compound":
      for (const field of values.fields) transfersOf(field.values, list);
      break;
    case "reference":
      break;
  }
  return list;
}

function report(error: unknown, request: Hdf5Request): ErrorReport {
  const fatal = isTrap(error);
  if (error instanceof ScdlError) return { ...errorToMessage(error, filePath), fatal };
  const place = request.op === "open" || request.op === "close" ? "" : `${request.path}: `;
  const message = error instanceof Error ? error.message : String(error);
  const failure = new FormatError(fatal ? "hdf5-trap" : "hdf5", place + hdf5Reason(message), {
    path: filePath,
    suggestions: ["the file may be damaged: check it with h5dump or h5py"],
  });
  return { ...errorToMessage(failure, filePath), fatal };
}

/** The innermost and outermost line of HDF5's error stack, without its source paths. */
function hdf5Reason(message: string): string {
  const reasons = [...message.matchAll(/^ {2}#\d+: .*? in (\w+)\(\): (.*)$/gm)].map(
    (match) => match[2] as string,
  );
  const first = reasons[0];
  const last = reasons.at(-1);
  if (first === undefined || last === undefined) return message.split("\n", 1)[0] ?? "";
  return first === last ? first : `${first}: ${last}`;
}

port.on("message", (request: Numbered<Hdf5Request>) => {
  serve(request).then(
    (result) => {
      const reply: Hdf5Reply = { id: request.id, result };
      const transfers =
        request.op === "read" && typeof result === "object" && result !== null
          ? // Only `read` answers with values.
            transfersOf(result as Hdf5Values, [])
          : [];
      port.postMessage(reply, transfers);
    },
    (error: unknown) => {
      const reply: Hdf5Reply = { id: request.id, error: report(error, request) };
      port.postMessage(reply);
    },
  );
});
