import { connect, type Socket } from "node:net";
import { RankError } from "../communicator.ts";
import { firstLine, type Hello, isAnswer, sendLine } from "./hello.ts";

/** For a connection, and for the answer on it. */
const CALL_MS = 5000;

interface Address {
  readonly host: string;
  readonly port: number;
}

/** What came of a call: a connection that was answered, why it was turned away, or what is there instead. */
type Called =
  | { readonly kind: "answered"; readonly socket: Socket }
  | { readonly kind: "refused"; readonly refused: string }
  | { readonly kind: "other"; readonly what: string };

/**
 * A connection that was answered; null where nobody of this job listens.
 * @param onOther is told what is there instead
 * @throws RankError when refused
 */
export async function call(
  to: Address,
  hello: Hello,
  deadline: number,
  onOther: (what: string) => void = () => {},
): Promise<Socket | null> {
  const called = await place(to, hello, deadline);
  if (called.kind === "answered") return called.socket;
  if (called.kind === "other") {
    onOther(called.what);
    return null;
  }
  const message = `rank 0 turned rank ${hello.rank} away: ${called.refused}`;
  throw new RankError("rendezvous-failed", hello.rank, message, {
    suggestions: ["start every process once, with the same world size"],
  });
}

/** Why a rank 0 of this job turns such a caller away; null where there is none. */
export async function turnedAway(to: Address, hello: Hello): Promise<string | null> {
  const called = await place(to, hello, performance.now() + CALL_MS);
  if (called.kind === "answered") called.socket.destroy();
  return called.kind === "refused" ? called.refused : null;
}

async function place(to: Address, hello: Hello, deadline: number): Promise<Called> {
  const rest = () => Math.min(CALL_MS, Math.max(1, deadline - performance.now()));
  const socket = connect(to);
  let what = "no answer";
  const isOpen = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), rest());
    socket.once("connect", () => resolve(true));
    socket.on("error", (error) => {
      const code = "code" in error ? String(error.code) : error.message;
      what = code === "ECONNREFUSED" ? "nothing listens" : code;
      resolve(false);
    });
    socket.once("close", () => clearTimeout(timer));
    socket.once("connect", () => clearTimeout(timer));
  });
  if (isOpen) {
    sendLine(socket, hello);
    what = "something else listens, and says nothing to this job";
    const answer: unknown = await firstLine(socket, rest(), (text) => {
      what = `something else listens, and says ${JSON.stringify(text)}`;
    });
    if (isAnswer(answer) && answer.ok) return { kind: "answered", socket };
    socket.destroy();
    if (isAnswer(answer) && !answer.ok) return { kind: "refused", refused: answer.refused };
  }
  socket.destroy();
  return { kind: "other", what };
}
