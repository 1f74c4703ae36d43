import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import type { Answers, Request } from "../device/messages.ts";
import { RequestThread } from "../request-thread.ts";
import type { ThreadSettings, TorchDescription } from "./messages.ts";

/** A thread that has libtorch. */
export class TorchThread extends RequestThread<Request, Answers<TorchDescription>> {
  constructor(settings: ThreadSettings) {
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    const ended = new UnsupportedFeatureError("torch", "the thread of libtorch has ended");
    super(new URL(file, import.meta.url), { settings, ended });
  }
}
