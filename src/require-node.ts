/** Imported first by the public entry, so that an old Node is refused before anything runs. */
import { unsupportedNodeMessage } from "./node-version.ts";

const message = unsupportedNodeMessage(process.versions.node);
if (message !== null) throw new Error(message);
