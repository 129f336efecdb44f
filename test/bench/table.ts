// Lines up cells in columns: numbers to the right, text to the left.

const NUMBER = /^(-|\d+(\.\d+)?)$/;

export function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const columns = head.map((title, column) => {
    const cells = lines.map((line) => line[column] ?? '');
    const width = Math.max(title.length, ...cells.map((cell) => cell.length));
    return { width, numeric: cells.every((cell) => NUMBER.test(cell)) };
  });
  const print = (line: readonly string[]): string =>
    columns
      .map(({ width, numeric }, column) =>
        numeric ? line[column]!.padStart(width) : (line[column] ?? '').padEnd(width),
      )
      .join('  ')
      .trimEnd();
  const rule = columns.map(({ width }) => '-'.repeat(width));
  return [head, rule, ...lines].map(print).join('\n');
}

/** Millions of bytes. */
export function megabytes(bytes: number | null | undefined): string {
  return bytes === null || bytes === undefined ? '-' : (bytes / 1e6).toFixed(2);
}

export function seconds(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : value.toFixed(2);
}

/** Two places, and more where two would be nought. */
export function ratio(value: number | null | undefined, to: number | null | undefined): string {
  if (typeof value !== 'number' || typeof to !== 'number' || to === 0) return '-';
  return (value / to).toFixed(value / to < 0.1 ? 4 : 2);
}
