import { loadNccl } from "../../../distributed/nccl/nccl.ts";
import { NcclCommunicator } from "../../../distributed/nccl/nccl-communicator.ts";
import { NcclLink } from "../../../distributed/nccl/nccl-link.ts";
import type { SumsSetup } from "../../device/messages.ts";
import { type GradientBucket, HEALTH_BUCKET } from "../../device/sums/layout.ts";
import type { Libtorch } from "../libtorch.ts";
import { cudaStreams } from "./cuda-streams.ts";
import type { DeviceReducer } from "./gradient-buckets.ts";
import { HostReducer } from "./host-reducer.ts";
import { NcclReducer } from "./nccl-reducer.ts";

/** What the main thread has chosen; NCCL waits for all ranks. @throws NcclError, ScdlError of CUDA */
export function openReducer(
  torch: Libtorch,
  buckets: readonly GradientBucket[],
  how: SumsSetup,
): DeviceReducer {
  const all = [...buckets, HEALTH_BUCKET];
  const lengths = all.map(({ parameters }) => parameters.map(({ length }) => length));
  if (how.kind === "host") return new HostReducer(torch, lengths, how.memory);
  const streams = cudaStreams(torch.binding, torch.device.index);
  const nccl = loadNccl({ path: how.library });
  const gpus = new NcclCommunicator(nccl, new NcclLink(how.memory), how);
  return new NcclReducer(torch, gpus, streams, lengths);
}
