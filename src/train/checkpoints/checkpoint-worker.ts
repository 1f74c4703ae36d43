/** The thread that writes checkpoints: checksums and flushing to the disk take no time of a step. */
import { parentPort } from "node:worker_threads";
import { errorToMessage } from "../../../formats/common/error-message.ts";
import { CheckpointFiles } from "./checkpoint-files.ts";
import type { SaveReply, SaveRequest } from "./checkpoint-messages.ts";
import type { TrainerState } from "./trainer-file.ts";

parentPort?.on("message", (request: SaveRequest) => {
  const { id, directory } = request;
  const reply = (message: SaveReply): void => parentPort?.postMessage(message);
  try {
    const modelConfig: unknown = JSON.parse(request.modelConfig ?? "null");
    const kept = new CheckpointFiles(directory, request.options).save({
      model: new Map(request.model),
      optimizer: new Map(request.optimizer),
      files: new Map(request.files),
      trainer: JSON.parse(request.trainer) as TrainerState, // proof: the sender made it of one
      ...(modelConfig === null ? {} : { modelConfig: modelConfig as Record<string, unknown> }),
    });
    reply({ id, kept });
  } catch (error) {
    reply({ id, error: errorToMessage(error, directory) });
  }
});
