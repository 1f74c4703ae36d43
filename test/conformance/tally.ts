/** Runs checks one after the other, prints a line for each and counts them. */
export class Tally {
  passed = 0;
  failed = 0;
  skipped = 0;

  /** A check passes unless it throws or returns differences. A string it returns is printed. */
  async check(
    name: string,
    body: () => Promise<string | readonly string[] | undefined>,
  ): Promise<void> {
    let outcome: string | readonly string[] | undefined;
    try {
      outcome = await body();
    } catch (error) {
      outcome = [error instanceof Error ? error.message : String(error)];
    }
    if (Array.isArray(outcome) && outcome.length > 0) {
      this.failed++;
      console.log(`FAIL  ${name}`);
      for (const line of outcome.slice(0, 8)) console.log(`        ${line}`);
      if (outcome.length > 8) console.log(`        and ${outcome.length - 8} more`);
      return;
    }
    this.passed++;
    console.log(`ok    ${name}${typeof outcome === "string" ? `: ${outcome}` : ""}`);
  }

  skip(name: string, reason: string): void {
    this.skipped++;
    console.log(`skip  ${name}: ${reason}`);
  }

  summary(): string {
    return `${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`;
  }
}
