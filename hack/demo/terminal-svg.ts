// SPDX-License-Identifier: Apache-2.0

/** Height of a line and width of a character, in the picture's units. */
const LINE = 19;
const CHARACTER = 8.4;
const MARGIN = 20;

/** Text as a terminal shows it, as an SVG picture: no script, no font besides the reader's own. */
export function pictureOf(text: string): string {
  const lines = text.trimEnd().split("\n");
  const width = Math.max(...lines.map((line) => line.length)) * CHARACTER + 2 * MARGIN;
  const height = lines.length * LINE + 2 * MARGIN + 24;
  const rows = lines.map((line, index) => {
    const y = MARGIN + 24 + (index + 1) * LINE - 5;
    const colour = line.startsWith("✓") ? "#9be9a8" : line.startsWith("✗") ? "#ff7b72" : "#e6edf3";
    return `<text x="${MARGIN}" y="${y}" fill="${colour}" xml:space="preserve">${escapeText(line)}</text>`;
  });
  const dots = ["#ff5f56", "#ffbd2e", "#27c93f"].map(
    (colour, i) => `<circle cx="${MARGIN + i * 18}" cy="20" r="6" fill="${colour}"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${Math.ceil(width)} ${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">
<title>npm run demo: the pods and who reaches whom</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${dots.join("")}
${rows.join("\n")}
</svg>
`;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
