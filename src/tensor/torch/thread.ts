import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import { RequestThread } from "../request-thread.ts";
import type { Answers, Request, ThreadSettings } from "./messages.ts";

/** A thread that has libtorch. */
export class TorchThread extends RequestThread<Request, Answers> {
  constructor(settings: ThreadSettings) {
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    const ended = new UnsupportedFeatureError("torch", "the thread of libtorch has ended");
    super(new URL(file, import.meta.url), settings, ended);
  }
}
