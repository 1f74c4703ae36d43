/** Typed errors as messages between threads. */
import {
  FormatError,
  IncompatibleError,
  InvalidArgumentError,
  NotFoundError,
  ScdlError,
  StorageError,
  type StorageErrorCode,
  UnsupportedFeatureError,
} from "./errors.ts";

/** Structured cloning keeps neither the class of an error nor its own fields. */
export interface ErrorMessage {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly path: string;
  readonly suggestions: readonly string[];
}

export function errorToMessage(error: unknown, path: string): ErrorMessage {
  if (error instanceof ScdlError) {
    const own = "path" in error && typeof error.path === "string" ? error.path : path;
    const { name, code, message, suggestions } = error;
    return { name, code, message, path: own, suggestions };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { name: "Error", code: "io", message, path, suggestions: [] };
}

export function errorFromMessage(sent: ErrorMessage): Error {
  const { code, path, suggestions } = sent;
  const text = sent.message.startsWith(`${path}: `)
    ? sent.message.slice(path.length + 2)
    : sent.message;
  switch (sent.name) {
    case "FormatError":
      return new FormatError(code, text, { path, suggestions });
    case "StorageError":
      // proof: the sender's error was a StorageError, whose code has this type
      return new StorageError(code as StorageErrorCode, text, { path, suggestions });
    case "NotFoundError":
      return new NotFoundError(code, sent.message, { what: path, suggestions });
    case "UnsupportedFeatureError":
      return new UnsupportedFeatureError(code, sent.message, { suggestions });
    case "InvalidArgumentError":
      return new InvalidArgumentError(path, undefined, sent.message, { suggestions });
    case "IncompatibleError":
      return new IncompatibleError(code, sent.message, { suggestions });
    case "Error":
      return new Error(sent.message);
    default:
      return new ScdlError(code, sent.message, { suggestions });
  }
}
