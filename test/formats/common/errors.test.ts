import { expect, test } from "vitest";
import { errorFromMessage, errorToMessage } from "../../../formats/common/error-message.ts";
import {
  FormatError,
  fromFsError,
  NotFoundError,
  ScdlError,
  StorageError,
  UnsupportedFeatureError,
} from "../../../formats/common/errors.ts";

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: it failed`), { code, syscall: "write" });
}

test.each([
  ["EACCES", "permission-denied", "permission denied"],
  ["ENOSPC", "disk-full", "no space left on the device"],
  ["EDQUOT", "disk-full", "disk quota used up"],
  ["EFBIG", "disk-full", "larger than the system allows"],
  ["EROFS", "read-only", "read-only file system"],
  ["ELOOP", "io", "leads to itself"],
  ["EISDIR", "io", "found a directory"],
  ["EMFILE", "io", "too many open files"],
  ["EIO", "io", "input/output error"],
  ["ESTALE", "io", "ESTALE: it failed"],
])("%s of the file system is a StorageError that names the path", (code, ours, text) => {
  const error = fromFsError(systemError(code), "/data/x");
  expect(error).toBeInstanceOf(StorageError);
  expect(error).toMatchObject({ code: ours, path: "/data/x" });
  expect(String(error)).toContain(`/data/x: `);
  expect(String(error)).toContain(text);
});

test("a path that is not there is told from one that goes through a file", () => {
  expect(fromFsError(systemError("ENOENT"), "/x")).toMatchObject({
    name: "NotFoundError",
    message: "/x: no such file or directory",
    suggestions: ["check the path"],
  });
  expect(String(fromFsError(systemError("ENOTDIR"), "/x/y"))).toContain("not a directory");
  expect(fromFsError(systemError("ENOENT"), "/caf\ufffd")).toMatchObject({
    suggestions: [expect.stringContaining("UTF-8")],
  });
});

test("errors of the program itself, which have codes too, stay what they are", () => {
  const mistake = Object.assign(new RangeError("out of range"), { code: "ERR_OUT_OF_RANGE" });
  expect(fromFsError(mistake, "/x")).toBe(mistake);
});

test("an error keeps its class, message and suggestions on its way to another thread", () => {
  const details = { path: "/x", suggestions: ["try this"] };
  for (const error of [
    new FormatError("truncated", "too short", details),
    new StorageError("disk-full", "no space", details),
    new NotFoundError("no-such-file", "/x: gone", { what: "/x", suggestions: ["try this"] }),
    new UnsupportedFeatureError("unsupported", "/x: a new filter", { suggestions: ["try this"] }),
    new ScdlError("closed", "/x: read after close", { suggestions: ["try this"] }),
  ]) {
    const arrived = errorFromMessage(structuredClone(errorToMessage(error, "/x")));
    expect(arrived.constructor).toBe(error.constructor);
    expect({ ...arrived }).toEqual({ ...error });
    expect(arrived.message).toBe(error.message);
  }
});
