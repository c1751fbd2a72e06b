// SPDX-License-Identifier: Apache-2.0

/** A shell command that applies a manifest as it is written, or deletes what it names: nothing in it is expanded, and its end is a line that it does not have. */
export function applyCommand(manifest: string, namespace: string, remove = false): string {
  const lines = new Set(manifest.split("\n"));
  let end = "EOF";
  for (let n = 1; lines.has(end); n++) end = `EOF_${n}`;
  const where = namespace === "" ? "" : ` -n ${quoted(namespace)}`;
  return `kubectl ${remove ? "delete" : "apply"}${where} -f - <<'${end}'\n${manifest.replace(/\n*$/, "")}\n${end}`;
}

/** A text as one word of a POSIX shell. */
function quoted(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
