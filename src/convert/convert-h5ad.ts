import { ArchiveWriter } from "../../formats/scdl/archive-writer.ts";
import { Conversion } from "./conversion.ts";
import { expandInputs, repeatedInputs } from "./input-files.ts";
import type { ConvertOptions, ConvertResult } from "./options.ts";
import { settingsOf } from "./settings.ts";

/**
 * Converts AnnData or 10x files into one SCDL data set.
 *
 * The output appears under its name only when it is complete; until then it grows in a hidden
 * directory beside it, which is removed when the conversion fails or is aborted. The bytes written
 * do not depend on the number of workers.
 *
 * Rejects with NotFoundError (input, matrix, column, neighbours), FormatError (damaged input),
 * PrecisionLossError (a value that the data type cannot hold, see `allowLossy`), StorageError,
 * InvalidArgumentError, or `signal.reason`.
 */
export async function convertH5ad(options: ConvertOptions): Promise<ConvertResult> {
  const settings = settingsOf(options);
  options.signal?.throwIfAborted();
  const paths = expandInputs(options.inputs);
  for (const path of repeatedInputs(paths)) {
    options.onWarning?.(
      `${path}: given more than once; its rows are stored each time, where it was named`,
    );
  }
  const writer = ArchiveWriter.create(options.output, {
    overwrite: options.overwrite ?? false,
    ...(options.onWarning ? { onWarning: options.onWarning } : {}),
  });
  const conversion = new Conversion(options, settings, writer);
  try {
    return await conversion.run(paths);
  } catch (error) {
    await conversion.stop();
    await writer.abort();
    options.signal?.throwIfAborted();
    throw error;
  }
}
