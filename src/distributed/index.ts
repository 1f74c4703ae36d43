/** Several processes: their places, and how they talk. */
export { type Communicator, RankError, type RankErrorCode } from "./communicator.ts";
export { type ProcessPlace, processPlace } from "./environment.ts";
export { type CommunicatorOptions, openCommunicator } from "./open-communicator.ts";
