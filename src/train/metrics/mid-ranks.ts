/** Ranks from 1, equal values sharing the mean of theirs, as scipy's `rankdata`. */
export function midRanks(values: ArrayLike<number>): Float64Array {
  const order = Uint32Array.from({ length: values.length }, (_, i) => i);
  order.sort((a, b) => (values[a] as number) - (values[b] as number));
  const ranks = new Float64Array(values.length);
  for (let begin = 0; begin < order.length; ) {
    const value = values[order[begin] as number];
    let end = begin + 1;
    while (end < order.length && values[order[end] as number] === value) end++;
    for (let i = begin; i < end; i++) ranks[order[i] as number] = (begin + 1 + end) / 2;
    begin = end;
  }
  return ranks;
}
