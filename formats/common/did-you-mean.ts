/** What a mistyped name was probably meant to be. */

/** The candidate a few typing errors away from `word`, or that it begins; null when none is near. */
export function closest(word: string, candidates: readonly string[]): string | null {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | null = null;
  let fewest = limit + 1;
  for (const candidate of candidates) {
    const begins = word.length >= 2 && candidate.startsWith(word);
    const errors = begins ? 1 : typingErrors(word.toLowerCase(), candidate.toLowerCase());
    if (errors >= fewest) continue;
    best = candidate;
    fewest = errors;
  }
  return best;
}

/** Letters added, left out, changed, or swapped with the next (optimal string alignment). */
function typingErrors(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let errors = Math.min(changed, at(last, j) + 1, at(row, j - 1) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        errors = Math.min(errors, at(beforeLast, j - 2) + 1);
      }
      row.push(errors);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
