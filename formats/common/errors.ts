/**
 * Typed errors, one class per thing the caller can do about it.
 *
 * Every error carries a stable `code`, a one-line message that names path, expected and found,
 * and, where there is something to try, `suggestions`. The command line prints those fields;
 * nothing here knows about terminals.
 */

export interface ErrorDetails {
  /** What to try next, each a short imperative line. */
  readonly suggestions?: readonly string[];
  readonly cause?: unknown;
}

/** Base of every error this package throws on purpose. Aborts rethrow `signal.reason` instead. */
export class ScdlError extends Error {
  readonly code: string;
  readonly suggestions: readonly string[];

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.suggestions = details.suggestions ?? [];
  }
}

export interface FormatErrorDetails extends ErrorDetails {
  readonly path: string;
  /** Byte offset in the file, when one is known. */
  readonly offset?: number;
}

/** The bytes are not what the format says: truncated, inconsistent, hostile. Do not retry. */
export class FormatError extends ScdlError {
  readonly path: string;
  readonly offset: number | undefined;

  constructor(code: string, message: string, details: FormatErrorDetails) {
    const place = details.offset === undefined ? "" : ` (byte ${details.offset})`;
    super(code, `${details.path}: ${message}${place}`, details);
    this.path = details.path;
    this.offset = details.offset;
  }
}

/** A valid file that uses a part of the format this package does not read. */
export class UnsupportedFeatureError extends ScdlError {
  readonly feature: string;

  constructor(feature: string, message: string, details: ErrorDetails = {}) {
    super("unsupported", message, details);
    this.feature = feature;
  }
}

export interface NotFoundDetails extends ErrorDetails {
  /** The thing looked for, e.g. a path, a key, a column. */
  readonly what: string;
  /** What there is instead; the message lists it when it is short. */
  readonly available?: readonly string[];
}

/** A path, key, column or split that is not there. */
export class NotFoundError extends ScdlError {
  readonly what: string;
  readonly available: readonly string[];

  constructor(code: string, message: string, details: NotFoundDetails) {
    const available = details.available ?? [];
    const listed =
      available.length > 0 && available.length <= 24 ? ` (there is: ${available.join(", ")})` : "";
    super(code, message + listed, details);
    this.what = details.what;
    this.available = available;
  }
}

/** The caller's value is wrong. */
export class InvalidArgumentError extends ScdlError {
  readonly argument: string;
  readonly value: unknown;

  constructor(argument: string, value: unknown, message: string, details: ErrorDetails = {}) {
    super("invalid-argument", message, details);
    this.argument = argument;
    this.value = value;
  }
}

export interface PrecisionLossDetails extends ErrorDetails {
  readonly from: string;
  readonly to: string;
  /** Row (cell) and column (gene) of the first value that does not fit. */
  readonly row: number;
  readonly column: number;
  readonly value: number | bigint;
}

/** A cast would change a value by more than was allowed. */
export class PrecisionLossError extends ScdlError {
  readonly from: string;
  readonly to: string;
  readonly row: number;
  readonly column: number;
  readonly value: number | bigint;

  constructor(message: string, details: PrecisionLossDetails) {
    super("precision-loss", message, details);
    this.from = details.from;
    this.to = details.to;
    this.row = details.row;
    this.column = details.column;
    this.value = details.value;
  }
}

/** Two things that must match do not, e.g. float data and integer data in one concat. */
export class IncompatibleError extends ScdlError {}

export interface StorageErrorDetails extends ErrorDetails {
  readonly path: string;
}

/** The file system refused: permission, disk full, already there, changed while open, in use. */
export class StorageError extends ScdlError {
  readonly path: string;

  constructor(code: StorageErrorCode, message: string, details: StorageErrorDetails) {
    super(code, `${details.path}: ${message}`, details);
    this.path = details.path;
  }
}

export type StorageErrorCode =
  | "permission-denied"
  | "disk-full"
  | "already-exists"
  | "read-only"
  | "file-changed"
  | "in-use"
  | "io";

/** Narrows an unknown value to {@link ScdlError}, optionally to some of its codes. */
export function isScdlError(error: unknown, ...codes: readonly string[]): error is ScdlError {
  return error instanceof ScdlError && (codes.length === 0 || codes.includes(error.code));
}

const STORAGE_CODES: Readonly<
  Record<string, { code: StorageErrorCode; text: string; try: string }>
> = {
  EACCES: { code: "permission-denied", text: "permission denied", try: "check the owner and mode" },
  EPERM: { code: "permission-denied", text: "not permitted", try: "check the owner and mode" },
  EROFS: { code: "read-only", text: "read-only file system", try: "choose another place" },
  ENOSPC: {
    code: "disk-full",
    text: "no space left on the device",
    try: "free space and run again",
  },
  EDQUOT: { code: "disk-full", text: "disk quota used up", try: "free space and run again" },
  EEXIST: { code: "already-exists", text: "already exists", try: "choose another name" },
  EFBIG: {
    code: "disk-full",
    text: "the file would be larger than the system allows",
    try: "raise the limit (ulimit -f) or choose another file system",
  },
  ELOOP: {
    code: "io",
    text: "a symbolic link that leads to itself",
    try: "name the file it should lead to",
  },
  EISDIR: { code: "io", text: "expected a file, found a directory", try: "name a file" },
  EMFILE: { code: "io", text: "too many open files", try: "raise the limit (ulimit -n)" },
  ENAMETOOLONG: { code: "io", text: "the name is too long", try: "choose a shorter one" },
  EIO: {
    code: "io",
    text: "the device reports an input/output error",
    try: "copy the file to another device and check this one",
  },
};

/**
 * Turns an error of `node:fs` into a typed one; returns ScdlErrors and unknown errors unchanged.
 * ENOENT and ENOTDIR become {@link NotFoundError}.
 */
export function fromFsError(error: unknown, path: string): unknown {
  if (error instanceof ScdlError || !(error instanceof Error) || !("code" in error)) return error;
  // Node's own errors (a wrong argument, a buffer too small) have codes too, but no system call.
  if (!("syscall" in error)) return error;
  const code = String(error.code);
  if (code === "ENOENT" || code === "ENOTDIR") return notFound(path, code, error);
  const known = STORAGE_CODES[code];
  if (known !== undefined) {
    return new StorageError(known.code, known.text, {
      path,
      suggestions: [known.try],
      cause: error,
    });
  }
  return new StorageError("io", error.message, { path, cause: error });
}

function notFound(path: string, code: "ENOENT" | "ENOTDIR", cause: Error): NotFoundError {
  const reason =
    code === "ENOENT" ? "no such file or directory" : "a part of the path is not a directory";
  // U+FFFD is what bytes that are not UTF-8 have become on the way here.
  const isMangled = path.includes("\ufffd");
  return new NotFoundError("no-such-file", `${path}: ${reason}`, {
    what: path,
    cause,
    suggestions: [
      isMangled ? "rename it: only names that are UTF-8 can be given" : "check the path",
    ],
  });
}
