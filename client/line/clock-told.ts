// Whether this machine's clock is so far off the server's that people have to know: states would be dated by it.

/** What a time zone that was set wrongly, or a battery that ran out, makes of a clock; less comes from travelling: ms. */
const TOLD_MS = 86_400_000;

/** A sentence where the clock is more than a day ahead of the server's (`aheadMs`; negative: behind); null: nothing to tell. */
export function clockTold(aheadMs: number | null): string | null {
  if (aheadMs === null || Math.abs(aheadMs) <= TOLD_MS) return null;
  const days = Math.floor(Math.abs(aheadMs) / 86_400_000);
  const off = `${days} ${days === 1 ? 'day' : 'days'} ${aheadMs > 0 ? 'ahead of' : 'behind'}`;
  return `This machine's clock is ${off} the server's: set it. Versions are ordered by the server, whatever it shows.`;
}
