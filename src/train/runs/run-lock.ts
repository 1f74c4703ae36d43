import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fromFsError, StorageError } from "../../../formats/common/errors.ts";
import { makeDirectories } from "../../../formats/common/make-directories.ts";
import {
  isRunning,
  type ProcessOwner,
  thisProcess,
} from "../../../formats/common/process-owner.ts";

const LOCK_FILE = ".lock";
const BEAT_MS = 20_000;
/** A lock of another machine, which cannot be asked, that was not renewed for so long is left over. */
const SILENT_MS = 6 * BEAT_MS;

/** Locks that this process holds. */
const held = new Set<string>();

interface Found {
  readonly text: string;
  /** null for a file that is no lock, or not written yet. */
  readonly owner: (ProcessOwner & { readonly id: string }) | null;
}

/** Keeps a run's folder to one process. What a killed one left does not count. */
export class RunLock implements Disposable {
  readonly #path: string;
  readonly #id: string;
  readonly #beat: NodeJS.Timeout;

  /** Makes the folder. @throws StorageError `in-use` */
  constructor(directory: string) {
    this.#path = join(directory, LOCK_FILE);
    this.#id = randomBytes(8).toString("hex");
    try {
      makeDirectories(directory);
      while (!this.#create()) RunLock.#remove(this.#path, requireLeft(directory));
    } catch (error) {
      throw fromFsError(error, directory);
    }
    held.add(this.#id);
    this.#beat = setInterval(() => this.#renew(), BEAT_MS).unref();
  }

  /** @throws StorageError `in-use` where another run writes */
  static requireFree(directory: string): void {
    requireLeft(directory);
  }

  /** Leaves the folder to another run. */
  release(): void {
    clearInterval(this.#beat);
    held.delete(this.#id);
    const isOurs = read(this.#path)?.owner?.id === this.#id;
    if (isOurs) rmSync(this.#path, { force: true });
  }

  [Symbol.dispose](): void {
    this.release();
  }

  #create(): boolean {
    const text = JSON.stringify({ ...thisProcess(), id: this.#id });
    try {
      writeFileSync(this.#path, text, { flag: "wx" });
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
      throw error;
    }
  }

  #renew(): void {
    const now = new Date();
    try {
      utimesSync(this.#path, now, now);
    } catch {
      // The folder is gone: whoever writes to it says so.
    }
  }

  /** Moved away first: of two that find the same lock left over one takes it. */
  static #remove(path: string, left: string | null): void {
    if (left === null) return; // gone by now
    const aside = `${path}.${randomBytes(4).toString("hex")}`;
    try {
      renameSync(path, aside);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
      throw error;
    }
    if (read(aside)?.text === left) rmSync(aside, { force: true });
    else renameSync(aside, path); // someone else's by now
  }
}

/** What a lock that is left over says; null without any. @throws StorageError for one in use */
function requireLeft(directory: string): string | null {
  const path = join(directory, LOCK_FILE);
  const found = read(path);
  if (found === null) return null;
  const { owner, text } = found;
  const isHere = owner?.host === thisProcess().host;
  if (!(owner !== null && isHere ? isHeld(owner) : isFresh(path))) return text;
  const who = owner === null ? "" : `: process ${owner.pid} of ${owner.host}`;
  throw new StorageError("in-use", `another run writes there${who}`, {
    path: directory,
    suggestions: [
      "wait until it ends",
      "give another --experiment-name or --result-dir",
      ...(isHere ? [] : [`if it has ended, remove ${path}`]),
    ],
  });
}

function isHeld({ pid, started, id }: ProcessOwner & { readonly id: string }): boolean {
  return pid === process.pid ? held.has(id) : isRunning(pid, started);
}

function isFresh(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs < SILENT_MS;
}

function read(path: string): Found | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw fromFsError(error, path);
  }
  try {
    const { pid, host, started, id } = JSON.parse(text);
    const isOwner =
      Number.isSafeInteger(pid) && pid > 0 && typeof host === "string" && typeof id === "string";
    return { text, owner: isOwner ? { pid, host, started, id } : null };
  } catch {
    return { text, owner: null };
  }
}
