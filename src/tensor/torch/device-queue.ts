/** A place in the work of a device. */
export interface Mark {
  /** Whether the device has come to it. @throws ScdlError when the work before it failed */
  isDone(): boolean;
  /** It is not asked again. */
  release(): void;
}

/** The work of a device, which does it in the order in which it was asked for. */
export interface DeviceQueue {
  /** A mark behind all that was asked for. */
  mark(): Mark;
}

/** Where the thread computes itself: what was asked for is done. */
export const HOST_QUEUE: DeviceQueue = {
  mark: () => ({ isDone: () => true, release: () => {} }),
};
