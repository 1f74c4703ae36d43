import { RankError } from "../communicator.ts";
import type { Wire } from "./wire.ts";

/** An operation as its ranks must agree on it. */
export interface Operation {
  readonly kind: "all-gather" | "barrier" | "all-reduce" | "broadcast";
  /** Operations before this one. */
  readonly number: number;
}

const KINDS: readonly Operation["kind"][] = ["all-gather", "barrier", "all-reduce", "broadcast"];
const MOST_BYTES = 1 << 30;

/** Gathers messages through rank 0, which has a wire to every other rank; those have one to it. */
export class Star {
  readonly rank: number;
  readonly worldSize: number;
  readonly #wires: ReadonlyMap<number, Wire>;
  /** Ranks that rank 0 waits for. */
  readonly waitingFor = new Set<number>();

  constructor(rank: number, worldSize: number, wires: ReadonlyMap<number, Wire>) {
    this.rank = rank;
    this.worldSize = worldSize;
    this.#wires = wires;
  }

  async gather(operation: Operation, bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    return this.rank === 0 ? this.#collect(operation, bytes) : this.#ask(operation, bytes);
  }

  async #collect(operation: Operation, bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    const messages: Uint8Array[] = [Uint8Array.from(bytes)];
    for (const rank of this.#wires.keys()) this.waitingFor.add(rank);
    await Promise.all(
      [...this.#wires].map(async ([rank, wire]) => {
        const length = await receiveHeader(wire, operation);
        messages[rank] = await wire.receive(new Uint8Array(length));
        this.waitingFor.delete(rank);
      }),
    );
    const sizes = Uint32Array.from(messages, ({ length }) => length);
    const answer = joined([new Uint8Array(sizes.buffer), ...messages]);
    await Promise.all(
      [...this.#wires.values()].map((wire) =>
        wire.send(joined([header(operation, answer.length), answer])),
      ),
    );
    return messages;
  }

  async #ask(operation: Operation, bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    const wire = this.#wires.get(0);
    if (wire === undefined) throw new Error("no wire to rank 0");
    await wire.send(joined([header(operation, bytes.length), bytes]));
    const answer = await wire.receive(new Uint8Array(await receiveHeader(wire, operation)));
    const sizes = new Uint32Array(answer.slice(0, 4 * this.worldSize).buffer);
    let at = 4 * this.worldSize;
    return Array.from(sizes, (size) => {
      at += size;
      return answer.slice(at - size, at);
    });
  }
}

/** Twelve bytes before each message: kind and number of the operation, bytes that follow. */
export function header({ kind, number }: Operation, length: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, KINDS.indexOf(kind), true);
  view.setUint32(4, number, true);
  view.setUint32(8, length, true);
  return bytes;
}

/** The length that follows. @throws RankError `ranks-differ` for the header of another operation */
export async function receiveHeader(wire: Wire, operation: Operation): Promise<number> {
  const bytes = await wire.receive(new Uint8Array(12));
  const view = new DataView(bytes.buffer);
  const kind = KINDS[view.getUint32(0, true)] ?? "something unknown";
  const number = view.getUint32(4, true);
  const length = view.getUint32(8, true);
  if (kind === operation.kind && number === operation.number && length <= MOST_BYTES) return length;
  throw new RankError(
    "ranks-differ",
    wire.peer,
    `rank ${wire.peer} is at operation ${number} (${kind}), this one at ${operation.number} (${operation.kind})`,
    { suggestions: ["run the same program with the same options on every rank"] },
  );
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
