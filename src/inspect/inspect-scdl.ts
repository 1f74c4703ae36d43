import { UnsupportedFeatureError } from "../../formats/common/errors.ts";
import type { InspectOptions } from "./inspect.ts";
import type { InspectReport } from "./report.ts";

export async function inspectScdl(path: string, _options: InspectOptions): Promise<InspectReport> {
  throw new UnsupportedFeatureError("scdl", `${path}: a folder`);
}
