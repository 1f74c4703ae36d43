/** Records of TensorBoard's event files, byte for byte as its writer makes them. */
import { crc32c } from "../common/crc32c.ts";
import {
  bytesField,
  doubleField,
  floatField,
  message,
  textField,
  varintField,
} from "./protobuf.ts";

const MASK_DELTA = 0xa282_ead8;
const SESSION_START = 1;

/** The event that every file begins with. @param seconds since 1970 */
export function versionEvent(seconds: number): Uint8Array {
  return message(doubleField(1, seconds), textField(3, "brain.Event:2"));
}

/** Tells TensorBoard to forget what earlier files say of this step and later ones. */
export function restartEvent(seconds: number, step: number): Uint8Array {
  const session = bytesField(7, varintField(1, SESSION_START));
  return message(doubleField(1, seconds), ...stepField(step), session);
}

/** Scalars of one step; values are kept as float32. */
export function scalarsEvent(
  seconds: number,
  step: number,
  scalars: Iterable<readonly [tag: string, value: number]>,
): Uint8Array {
  const values: Uint8Array[] = [];
  for (const [tag, value] of scalars) {
    values.push(bytesField(1, message(textField(1, tag), floatField(2, value))));
  }
  const summary = bytesField(5, message(...values));
  return message(doubleField(1, seconds), ...stepField(step), summary);
}

/** Protocol buffers leave out numbers that are 0. */
function stepField(step: number): Uint8Array[] {
  return step === 0 ? [] : [varintField(2, step)];
}

/** A record of a file: length, its checksum, the event, its checksum. */
export function recordOf(event: Uint8Array): Uint8Array {
  const record = new Uint8Array(event.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(event.length), true);
  view.setUint32(8, maskedChecksum(record.subarray(0, 8)), true);
  record.set(event, 12);
  view.setUint32(12 + event.length, maskedChecksum(event), true);
  return record;
}

function maskedChecksum(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
