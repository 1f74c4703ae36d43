import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import { RequestThread } from "../request-thread.ts";
import type { Answers, Request, ThreadSettings } from "./messages.ts";

/** A thread that has ONNX Runtime. */
export class OnnxThread extends RequestThread<Request, Answers> {
  constructor(settings: ThreadSettings) {
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    const ended = new UnsupportedFeatureError("onnx", "the thread of ONNX Runtime has ended");
    super(new URL(file, import.meta.url), { settings, ended, endsItself: true });
  }
}
