/** So many tests of one file are named. */
const NAMED = 3;

/**
 * What failed, by what tap's terse reporter prints: each file with the names of its tests. The reporter wraps lines at 80 columns. A file that
 * ended without a word of its tests (a crash, a timeout) is named alone; where nothing can be told from the text, the files that ran are.
 */
export function failedTests(text: string, files: readonly string[]): readonly string[] {
  const byFile = new Map<string, Set<string>>();
  let tests: Set<string> | undefined;
  const lines = text.split("\n");
  for (const [i, line] of lines.entries()) {
    const file = /^\s*FAIL\s+(\S+)/.exec(line)?.[1];
    if (file !== undefined) {
      tests = byFile.get(file) ?? new Set();
      byFile.set(file, tests);
    }
    if (line.startsWith("✖")) tests?.add(nameOf(line, lines[i + 1] ?? ""));
  }
  if (byFile.size === 0) return files.length <= NAMED ? files : [`one of ${files.length} files`];
  return [...byFile].map(([file, names]) => {
    const all = [...names];
    const shown = all.slice(0, NAMED).map((name) => `"${name}"`);
    if (all.length > NAMED) shown.push(`${all.length - NAMED} more`);
    return shown.length === 0 ? file : `${file} (${shown.join(", ")})`;
  });
}

/** The name of the outermost test: what is behind " > " are tests within it and the assertion. */
function nameOf(line: string, next: string): string {
  const wrapped = line.length > 60 && !line.includes(" > ") && next.startsWith("  ");
  const whole = `${line.slice(1).trim()}${wrapped ? ` ${next.trim()}` : ""}`;
  return whole.split(" > ")[0] ?? whole;
}
