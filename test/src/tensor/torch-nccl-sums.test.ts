/** Gradients added up by NCCL, its functions and CUDA's streams stood in for: no GPU was measured. */
import { expect, test } from "vitest";
import { errorFromMessage, errorToMessage } from "../../../formats/common/error-message.ts";
import type { Communicator } from "../../../src/distributed/communicator.ts";
import { RankError } from "../../../src/distributed/communicator.ts";
import { NcclError, type NcclLibrary } from "../../../src/distributed/nccl/nccl.ts";
import { NcclCommunicator } from "../../../src/distributed/nccl/nccl-communicator.ts";
import { NcclLink } from "../../../src/distributed/nccl/nccl-link.ts";
import type { Answers, Request } from "../../../src/tensor/device/messages.ts";
import { plainProgram } from "../../../src/tensor/device/plan.ts";
import { gradientBuckets, HEALTH_BUCKET } from "../../../src/tensor/device/sums/layout.ts";
import { openSums } from "../../../src/tensor/device/sums/open-sums.ts";
import { elementCount } from "../../../src/tensor/index.ts";
import { Arrivals } from "../../../src/tensor/torch/arrivals.ts";
import { HOST_QUEUE } from "../../../src/tensor/torch/device-queue.ts";
import type { FoundLibtorch } from "../../../src/tensor/torch/find-libtorch.ts";
import { Libtorch } from "../../../src/tensor/torch/libtorch.ts";
import { Runner } from "../../../src/tensor/torch/runner.ts";
import { loadKoffi } from "../../../src/tensor/torch/shared-libraries.ts";
import type { CudaStreams } from "../../../src/tensor/torch/sums/cuda-streams.ts";
import { GradientBuckets } from "../../../src/tensor/torch/sums/gradient-buckets.ts";
import { NcclReducer } from "../../../src/tensor/torch/sums/nccl-reducer.ts";
import type { Tensor } from "../../../src/tensor/torch/tensor.ts";
import { TensorState } from "../../../src/tensor/torch/tensor-state.ts";
import { joinRanks } from "../../helpers/ranks.ts";
import { HANDLE, recordedNccl } from "../distributed/recorded-nccl.fixture.ts";
import { LIBTORCH } from "./torch.fixture.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

const COMPUTE = 1;
const COMMUNICATE = 2;

/** CUDA's streams by number: events 10 and 11. */
function recordedStreams(calls: unknown[][]): CudaStreams {
  let events = 10;
  return {
    current: () => COMPUTE,
    createStream: () => COMMUNICATE,
    createEvent: () => events++,
    record: (event, stream) => void calls.push(["record", event, stream]),
    wait: (stream, event) => void calls.push(["wait", stream, event]),
    destroyStream: (stream) => void calls.push(["destroy stream", stream]),
    destroyEvent: (event) => void calls.push(["destroy event", event]),
  };
}

test.skipIf(LIBTORCH === null)(
  "each bucket waits for its gradients, and what follows for the sums, on streams alone",
  () => {
    const torch = new Libtorch(LIBTORCH as FoundLibtorch, "cpu", 0); // proof: found
    const program = transformer();
    const plain = plainProgram(program);
    const names = program.parameters.map(({ name }) => name);
    const lengths = new Map(
      program.parameters.map(({ name, value }) => [name, elementCount(value.shape)]),
    );
    const buckets = gradientBuckets(lengths, { first: 8, others: 64 });
    const state = new TensorState(torch, plain.parameters, names);
    state.write("values", randomParameters(program));
    const runner = new Runner(torch, plain, new Arrivals(HOST_QUEUE));
    const precision = {
      lowDType: null,
      lasting: new Map<string, Tensor>(),
      random: null,
      lossScale: null,
    };
    const step = () =>
      runner.run(state, TRANSFORMER_INPUTS, { seed: 0, step: 0, microBatch: 0 }, precision);
    step();
    const before = state.read("gradients", names);
    state.zeroGradients();

    const calls: unknown[][] = [];
    // Three ranks with the same gradients.
    const threefold = (pointer: number, count: number) => {
      const floats = new Float32Array(loadKoffi().view(BigInt(pointer), 4 * count));
      for (const [at, value] of floats.entries()) floats[at] = 3 * value;
    };
    const { nccl } = recordedNccl(calls, threefold);
    const job = { id: new Uint8Array(128), rank: 0, worldSize: 3 };
    const gpus = new NcclCommunicator(nccl, new NcclLink(), job);
    const all = [...buckets, HEALTH_BUCKET];
    const sizes = all.map(({ parameters }) => parameters.map(({ length }) => length));
    const reducer = new NcclReducer(torch, gpus, recordedStreams(calls), sizes);
    state.buckets = new GradientBuckets(state, reducer, buckets);
    calls.length = 0;
    state.buckets.arm();
    step();
    expect(state.buckets.finish().early).toBeGreaterThanOrEqual(2);

    const order = calls.filter(([name]) => name !== "settle");
    const ofBucket = (length: number) => [
      ["record", 10, COMPUTE],
      ["wait", COMMUNICATE, 10],
      ["begin"],
      ["sum", expect.any(Number), length, "float32", COMMUNICATE],
      ["end"],
    ];
    const end = [
      ["record", 11, COMMUNICATE],
      ["wait", COMPUTE, 11],
    ];
    expect(order).toEqual([...all.flatMap(({ length }) => ofBucket(length)), ...end]);
    // Nothing is recorded behind a call that NCCL has not put onto the stream yet.
    for (const [at, [name]] of calls.entries()) {
      if (name === "record") expect(calls[at - 1]).toEqual(["settle", true]);
    }
    for (const [name, values] of state.read("gradients", names)) {
      expect(values).toEqual(before.get(name)?.map((value) => Math.fround(3 * value)));
    }

    // Rank 1 has updated the last parameter.
    calls.length = 0;
    const last = names.at(-1) ?? "";
    const values = state.read("values", names);
    state.buckets.shareValues([names.slice(0, -1), [last]]);
    const given = [...lengths].map(([name, length]) => {
      const owner = name === last ? 1 : 0;
      return ["broadcast", expect.any(Number), length, "float32", owner, COMMUNICATE];
    });
    expect(calls.filter(([name]) => name !== "settle")).toEqual([
      ["record", 10, COMPUTE],
      ["wait", COMMUNICATE, 10],
      ["begin"],
      ...given,
      ["end"],
      ...end,
    ]);
    for (const [at, [name]] of calls.entries()) {
      if (name === "record") expect(calls[at - 1]).toEqual(["settle", true]);
    }
    // What came lies where runs take it from.
    for (const [name, found] of state.read("values", names)) {
      expect(found).toEqual(values.get(name)?.map((value) => Math.fround(3 * value)));
    }
    calls.length = 0;
    state.close();
    expect(calls.map(([name]) => name).filter((name) => name !== "settle")).toEqual([
      ...["leave", "finish", "destroy event", "destroy event", "destroy stream"],
    ]);
  },
);

const LENGTHS = new Map([["a", 5]]);
const SHARED = ["share", "arm", "sum"];

/** The thread of a device that hangs in requests of a kind until NCCL is aborted. */
function hangingThread(hangs: string, aborted: Promise<void>) {
  const kinds: string[] = [];
  const link: { current: NcclLink | null } = { current: null };
  const send = async (request: Request): Promise<never> => {
    kinds.push(request.kind);
    if (request.kind === "share" && request.how.kind === "nccl") {
      link.current = new NcclLink(request.how.memory);
      link.current.use(() => link.current?.set(HANDLE));
    }
    if (request.kind !== hangs) return { buckets: 1, early: 1 } as never; // proof: what is asked for
    await aborted;
    throw new NcclError("nccl-aborted", "aborted");
  };
  return { send: send as unknown as HangingSend, kinds, link };
}

type HangingSend = <K extends Request["kind"]>(
  request: Extract<Request, { kind: K }>,
) => Promise<Answers[K]>;

/** NCCL whose abort lets go what hangs. */
function abortable(): { nccl: NcclLibrary; calls: unknown[][]; aborted: Promise<void> } {
  const { nccl, calls } = recordedNccl();
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const { abort } = nccl;
  nccl.abort = async (handle) => {
    await abort(handle);
    resolve();
  };
  return { nccl, calls, aborted };
}

async function opened(ranks: readonly Communicator[], hangs: string) {
  return Promise.all(
    ranks.map(async (rank) => {
      const { nccl, calls, aborted } = abortable();
      const thread = hangingThread(hangs, aborted);
      const memory = { kind: "cuda", nccl: () => nccl } as const;
      const sums = await openSums(rank, memory, { thread, state: 0, lengths: LENGTHS });
      return { sums, calls, aborted, ...thread };
    }),
  );
}

test.each(SHARED.slice(1))(
  "a rank that is lost ends what hangs in %s of the others, and is named",
  async (hangs) => {
    const ranks = await joinRanks(3);
    const [first, second] = await opened(ranks, hangs);
    first?.sums?.begin();
    const failed = [first, second].map(async (one) => {
      if (hangs === "arm") return one?.sums?.unlessLost(one.send<"arm">({ kind: "arm", state: 0 }));
      return one?.sums?.finish();
    });
    ranks[2]?.abort("it was killed");
    for (const result of await Promise.allSettled(failed)) {
      expect(result).toMatchObject({ reason: { code: "rank-failed", rank: 2 } });
    }
    await Promise.all([first?.aborted, second?.aborted]);
    expect(first?.calls.at(-1)).toEqual(["abort", HANDLE]);
    await Promise.all(ranks.map((one) => one.close()));
  },
);

test("an error of NCCL is the rank's that is lost, when that is heard of", async () => {
  const ranks = await joinRanks(2);
  const [first] = await opened(ranks, "none");
  // As it comes out of the thread.
  const error = new NcclError("nccl-failed", "remote process exited");
  const answer = Promise.reject(errorFromMessage(errorToMessage(error, "torch")));
  const failed = first?.sums?.unlessLost(answer);
  ranks[1]?.abort("it was killed");
  await expect(failed).rejects.toBeInstanceOf(RankError);
  await first?.sums?.close();
  await Promise.all(ranks.map((one) => one.close()));
});

test("ranks of which one has no NCCL, or another version, use the host", async () => {
  const ranks = await joinRanks(2);
  const offers: readonly (() => NcclLibrary)[][] = [
    [
      () => recordedNccl().nccl,
      () => {
        throw new Error("not there");
      },
    ],
    [() => recordedNccl().nccl, () => ({ ...recordedNccl().nccl, version: "1" })],
  ];
  for (const offer of offers) {
    const sums = await Promise.all(
      ranks.map((rank, at) => {
        const memory = { kind: "cuda", nccl: offer[at] ?? offer[0] } as never; // proof: two of them
        const thread = hangingThread("none", Promise.resolve());
        return openSums(rank, memory, { thread, state: 0, lengths: LENGTHS });
      }),
    );
    expect(sums).toEqual([null, null]);
  }
  await Promise.all(ranks.map((one) => one.close()));
});
