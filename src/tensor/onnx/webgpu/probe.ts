/**
 * A process of its own that opens WebGPU and writes what came of it: "null" or the error as JSON. What
 * the driver prints, and a driver that ends the process, stay here.
 */
import { errorToMessage } from "../../../../formats/common/error-message.ts";
import { GpuSessions } from "./sessions.ts";

let problem: unknown = null;
try {
  await GpuSessions.open();
} catch (error) {
  problem = errorToMessage(error, "webgpu");
}
process.stdout.write(JSON.stringify(problem));
