/** Everything about a conversion that can be decided before the first value is read. */
import type * as arrow from "apache-arrow";
import {
  type DType,
  type ScdlDType,
  smallestUnsigned,
  type UnsignedDType,
  widest,
} from "../../formats/common/dtype.ts";
import { haveSameColumns } from "./var-blocks.ts";

/** What planning needs to know of one input. */
export interface InputSummary {
  readonly path: string;
  readonly nObs: number;
  readonly nVars: number;
  /** Unknown (null) for dense matrices until they have been read. */
  readonly nnz: number | null;
  readonly dtype: DType;
  /** Stored obs columns; none when there is nothing to store. */
  readonly obsSchema: arrow.Schema;
  /** Whether the var features equal those of the last input before it that has rows. */
  readonly hasVarOfPrevious: boolean;
  /** Stored neighbours; null when none were asked for. */
  readonly neighbors: number | null;
}

export interface FilePlan {
  readonly path: string;
  /** First row in the output. */
  readonly rowBegin: number;
  /** First value in the output; null behind a dense matrix. */
  readonly elementBegin: number | null;
  /** Whether this file begins a block of the obs index; false also without obs rows. */
  readonly beginsObsBlock: boolean;
}

export interface BlockPlan {
  readonly label: string;
  readonly nRows: number;
}

export interface VarBlockPlan extends BlockPlan {
  /** Input whose var features stand for the block. */
  readonly file: number;
}

export interface ObsBlockPlan extends BlockPlan {
  readonly schema: arrow.Schema;
  /** Inputs whose rows make up the block, in order. */
  readonly files: readonly number[];
}

export interface ConversionPlan {
  readonly files: readonly FilePlan[];
  readonly nObs: number;
  /** Null when a dense matrix is among the inputs. */
  readonly nnz: number | null;
  readonly dataDtype: ScdlDType;
  readonly colPtrDtype: UnsignedDType;
  /** Null while `nnz` is. */
  readonly rowPtrDtype: UnsignedDType | null;
  readonly varBlocks: readonly VarBlockPlan[];
  readonly obsBlocks: readonly ObsBlockPlan[];
}

export interface PlanOptions {
  readonly dataDtype: ScdlDType;
  /** Schema that holds the rows of both; see formats/scdl. */
  readonly unify: (a: arrow.Schema, b: arrow.Schema) => arrow.Schema;
}

/**
 * Types, offsets and blocks of the data set that `inputs` become, by the original's rules:
 * columns as wide as the widest file needs, row pointers as the total needs, consecutive equal var
 * frames one block, consecutive obs frames with the same columns one block, the first label kept.
 */
export function planConversion(
  inputs: readonly InputSummary[],
  options: PlanOptions,
): ConversionPlan {
  const files: FilePlan[] = [];
  let rows = 0;
  let elements: number | null = 0;
  let colPtrDtype: UnsignedDType = "uint8";
  const varBlocks = planVarBlocks(inputs);
  const obsBlocks = planObsBlocks(inputs, options.unify);
  for (const [index, input] of inputs.entries()) {
    const beginsObsBlock = obsBlocks.some(({ files: members }) => members[0] === index);
    files.push({ path: input.path, rowBegin: rows, elementBegin: elements, beginsObsBlock });
    rows += input.nObs;
    elements = elements === null || input.nnz === null ? null : elements + input.nnz;
    colPtrDtype = widest(colPtrDtype, smallestUnsigned(Math.max(0, input.nVars - 1)));
  }
  return {
    files,
    nObs: rows,
    nnz: elements,
    dataDtype: options.dataDtype,
    colPtrDtype,
    rowPtrDtype: elements === null ? null : smallestUnsigned(elements),
    varBlocks,
    obsBlocks,
  };
}

/** A file without rows adds no block, unless there is nothing but such files. */
function planVarBlocks(inputs: readonly InputSummary[]): VarBlockPlan[] {
  const blocks: { label: string; nRows: number; file: number }[] = [];
  for (const [file, input] of inputs.entries()) {
    if (input.nObs === 0) continue;
    const last = blocks.at(-1);
    if (last !== undefined && input.hasVarOfPrevious) last.nRows += input.nObs;
    else blocks.push({ label: input.path, nRows: input.nObs, file });
  }
  const first = inputs[0];
  if (blocks.length === 0 && first !== undefined) {
    return [{ label: first.path, nRows: 0, file: 0 }];
  }
  return blocks;
}

function planObsBlocks(
  inputs: readonly InputSummary[],
  unify: PlanOptions["unify"],
): ObsBlockPlan[] {
  const blocks: { label: string; nRows: number; schema: arrow.Schema; files: number[] }[] = [];
  for (const [file, input] of inputs.entries()) {
    if (input.nObs === 0 || input.obsSchema.fields.length === 0) continue;
    const last = blocks.at(-1);
    if (last !== undefined && haveSameColumns(last.schema, input.obsSchema)) {
      last.schema = unify(last.schema, input.obsSchema);
      last.nRows += input.nObs;
      last.files.push(file);
    } else {
      blocks.push({
        label: input.path,
        nRows: input.nObs,
        schema: input.obsSchema,
        files: [file],
      });
    }
  }
  return blocks;
}
