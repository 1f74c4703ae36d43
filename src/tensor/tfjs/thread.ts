import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import type { Answers, Request } from "../device/messages.ts";
import { RequestThread } from "../request-thread.ts";
import type { TfjsDescription, TfjsSettings } from "./messages.ts";

/** A thread that has TensorFlow.js. */
export class TfjsThread extends RequestThread<Request, Answers<TfjsDescription>> {
  constructor(settings: TfjsSettings) {
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    const ended = new UnsupportedFeatureError("tfjs", "the thread of TensorFlow.js has ended");
    super(new URL(file, import.meta.url), { settings, ended });
  }
}
