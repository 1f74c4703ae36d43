import { type Rules, shapeOf } from "./rule.ts";

export const SHAPE_RULES = {
  sum: ({ attributes }, [x], { torch }) => [
    torch.one("sum", x, attributes.axes, attributes.keepDims, torch.dtypes.float32),
  ],
  argmax: (_, [x], { torch }) => [torch.cast(torch.one("argmax", x, -1), torch.dtypes.int32)],
  broadcast: ({ attributes }, [x], { torch }) => [torch.one("expand", x, attributes.shape)],
  reshape: ({ attributes }, [x], { torch }) => [torch.one("reshape", x, attributes.shape)],
  transpose: ({ attributes }, [x], { torch }) => [torch.one("permute", x, attributes.permutation)],
  concat: (node, inputs, { torch }) => [torch.one("cat", inputs, node.attributes.axis)],
  slice: ({ attributes }, [x], { torch }) => [
    torch.one("slice", x, attributes.axis, attributes.begin, attributes.end),
  ],
  pad: (node, [x], { torch }) => {
    const { axis, before, after } = node.attributes;
    const counts = new Array<number>(2 * (shapeOf(node.inputs[0]).length - axis)).fill(0);
    counts.splice(-2, 2, before, after);
    return [torch.pad(x, counts)];
  },
} satisfies Partial<Rules>;
