/**
 * What a run that may be gone on with has finished: a folder beside the output with the files and a
 * journal, a line of JSON for each part.
 */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileDigest } from "../../formats/common/appended-file.ts";
import {
  FormatError,
  fromFsError,
  IncompatibleError,
  StorageError,
} from "../../formats/common/errors.ts";
import { makeDirectories } from "../../formats/common/make-directories.ts";
import type { FileDigest } from "../../formats/common/output-file.ts";
import { isRunning } from "../../formats/common/process-owner.ts";
import type { Digests } from "./token-sink.ts";

const JOURNAL = ".journal";
const LOCK = ".running";

/** Parts finished so far. */
export interface PartState {
  /** Number of the next part. */
  readonly parts: number;
  readonly cells: number;
  readonly tokens: number;
  /** Every file, as the last part that changed it left it. */
  readonly files: Digests;
}

const NOTHING: PartState = { parts: 0, cells: 0, tokens: 0, files: new Map() };

export class TokenJournal {
  readonly directory: string;
  state: PartState;

  private constructor(directory: string, state: PartState) {
    this.directory = directory;
    this.state = state;
  }

  /**
   * Opens the folder, or makes it. Files that no finished part has named are removed.
   * @param settings what the parts depend on, as one text
   * @throws IncompatibleError when the folder holds parts of other settings; StorageError when another
   *   process writes there; FormatError for a damaged journal or part.
   */
  static open(directory: string, settings: string): TokenJournal {
    try {
      makeDirectories(directory);
      lock(directory);
      const path = join(directory, JOURNAL);
      if (!existsSync(path)) writeFileSync(path, `${JSON.stringify({ settings })}\n`);
      const state = readJournal(path, settings);
      for (const name of readdirSync(directory)) {
        if (name === JOURNAL || name === LOCK || state.files.has(name)) continue;
        rmSync(join(directory, name), { recursive: true, force: true });
      }
      return new TokenJournal(directory, state);
    } catch (error) {
      throw fromFsError(error, directory);
    }
  }

  /**
   * Checks files that are written once; those that grow are checked when they are opened.
   * @throws FormatError "checksum"
   */
  verify(names: Iterable<string>): void {
    for (const name of names) {
      const path = join(this.directory, name);
      const expected = this.state.files.get(name);
      const found = fileDigest(path);
      if (found.bytes === expected?.bytes && found.crc32 === expected.crc32) continue;
      throw new FormatError("checksum", "the file is not the one that was written", {
        path,
        suggestions: [`remove ${this.directory} and begin anew`],
      });
    }
  }

  /** Says that a part is on the disk. */
  add(cells: number, tokens: number, files: Digests): void {
    const { state } = this;
    this.state = {
      parts: state.parts + 1,
      cells: state.cells + cells,
      tokens: state.tokens + tokens,
      files: new Map([...state.files, ...files]),
    };
    const line = JSON.stringify({ cells, tokens, files: Object.fromEntries(files) });
    try {
      appendFileSync(join(this.directory, JOURNAL), `${line}\n`, { flush: true });
    } catch (error) {
      throw fromFsError(error, this.directory);
    }
  }

  /** Leaves the folder to another run. */
  release(): void {
    rmSync(join(this.directory, LOCK), { force: true });
  }

  /** Removes what is not part of the output. */
  clear(): void {
    rmSync(join(this.directory, JOURNAL), { force: true });
    this.release();
  }
}

function lock(directory: string): void {
  const path = join(directory, LOCK);
  if (existsSync(path)) {
    const [host, pid] = readFileSync(path, "utf8").split(" ");
    const isOther = Number(pid) !== process.pid;
    if (host !== hostname() || (isOther && isRunning(Number(pid)))) {
      throw new StorageError("in-use", `process ${pid} of ${host} writes there`, {
        path: directory,
        suggestions: ["wait for it", `remove ${path} if it has ended`],
      });
    }
  }
  writeFileSync(path, `${hostname()} ${process.pid}`);
}

function readJournal(path: string, settings: string): PartState {
  const text = readFileSync(path, "utf8");
  // What follows the last end of a line was being written when the run ended.
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  const found = parsed(lines[0] ?? "", path, 1)["settings"];
  if (found !== settings) {
    throw new IncompatibleError(
      "other-settings",
      `${path}: the parts there were made of other data sets or with other settings`,
      { suggestions: ["use the same ones", "remove the folder to begin anew"] },
    );
  }
  let state = NOTHING;
  const whole = lines.slice(1, -1);
  if (text.length > 0 && !text.endsWith("\n")) {
    writeFileSync(path, text.slice(0, text.lastIndexOf("\n") + 1));
  }
  for (const [i, line] of whole.entries()) {
    const { cells, tokens, files } = parsed(line, path, i + 2);
    const isPart = isCount(cells) && isCount(tokens) && typeof files === "object" && files !== null;
    if (!isPart) throw damaged(path, i + 2);
    const digests = Object.entries(files).map(([name, digest]) => {
      if (!isDigest(digest)) throw damaged(path, i + 2);
      return [name, digest] as const;
    });
    state = {
      parts: state.parts + 1,
      cells: state.cells + cells,
      tokens: state.tokens + tokens,
      files: new Map([...state.files, ...digests]),
    };
  }
  return state;
}

function parsed(line: string, path: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw damaged(path, number);
}

function damaged(path: string, line: number): FormatError {
  return new FormatError("bad-journal", `line ${line} is damaged`, {
    path,
    suggestions: ["remove the unfinished folder and begin anew"],
  });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isDigest(value: unknown): value is FileDigest {
  if (typeof value !== "object" || value === null) return false;
  const { bytes, crc32 }: { bytes?: unknown; crc32?: unknown } = value;
  return isCount(bytes) && isCount(crc32);
}
