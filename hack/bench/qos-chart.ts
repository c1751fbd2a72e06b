// SPDX-License-Identifier: Apache-2.0

import type { QosBench, QosFigure } from "./qos.ts";

const COLOURS = {
  "tcp ingress": "#2563eb",
  "tcp egress": "#0891b2",
  "udp ingress": "#ea580c",
  "udp egress": "#a16207",
};
/** Percent of what was asked for, at the lower and the upper edge; what is beyond is drawn there. */
const [LEAST, MOST] = [80, 120];
const [WIDTH, HEIGHT, LEFT, TOP] = [860, 420, 70, 60];

/** How far from the rate an average may be: 10 % at 1 Mbit/s, else 5 %. */
export function tolerance(asked: number): number {
  return asked <= 1 ? 0.1 : 0.05;
}

/**
 * Requested and measured rates, as an SVG file: a column for each rate, a dot for each pod, and behind them the
 * tolerance.
 */
export function qosPicture({ figures, at }: Pick<QosBench, "figures" | "at">): string {
  const columns = [...Map.groupBy(figures, ({ asked, got }) => `${asked} ${got.length > 1 ? "ten" : "one"}`)].map(
    ([, list]) => list,
  );
  const step = (WIDTH - LEFT - 20) / Math.max(1, columns.length);
  const y = (percent: number): string =>
    (TOP + ((MOST - Math.min(MOST, Math.max(LEAST, percent))) / (MOST - LEAST)) * (HEIGHT - TOP - 70)).toFixed(1);
  const parts = columns.map((list, index) => column(list, LEFT + index * step, step, y));
  const grid = [80, 90, 95, 100, 105, 110, 120].map(
    (percent) =>
      `<line x1="${LEFT}" x2="${WIDTH - 20}" y1="${y(percent)}" y2="${y(percent)}" stroke="${percent === 100 ? "#444" : "#ddd"}"/>` +
      `<text x="${LEFT - 8}" y="${Number(y(percent)) + 4}" text-anchor="end">${percent} %</text>`,
  );
  const key = Object.entries(COLOURS).map(
    ([name, colour], index) =>
      `<circle cx="${LEFT + 8 + index * 120}" cy="42" r="5" fill="${colour}"/><text x="${LEFT + 18 + index * 120}" y="46">${name}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-family="sans-serif" font-size="12" fill="#333">
<title>Rates of pods: asked for and got</title>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="${LEFT}" y="22" font-size="15">Got of the rate that was asked for (${at.slice(0, 10)}). A dot is a pod, grey is the goal.</text>
${key.join("")}
${parts.map(({ band }) => band).join("")}
${grid.join("\n")}
${parts.map(({ dots }) => dots).join("\n")}
</svg>
`;
}

/** One rate with one pod, or with ten. */
function column(
  list: readonly QosFigure[],
  left: number,
  width: number,
  y: (percent: number) => string,
): { readonly band: string; readonly dots: string } {
  const { asked = 0, got = [] } = list[0] ?? {};
  const allowed = tolerance(asked) * 100;
  const [high, low] = [Number(y(100 + allowed)), Number(y(100 - allowed))];
  const band = `<rect x="${left.toFixed(1)}" y="${high}" width="${width.toFixed(1)}" height="${low - high}" fill="#e5e7eb"/>`;
  const dots = list.flatMap((figure, index) => {
    const x = left + (width * (index + 1)) / (list.length + 1);
    const colour = COLOURS[`${figure.protocol} ${figure.direction}`];
    return figure.got.map(
      (value) =>
        `<circle cx="${x.toFixed(1)}" cy="${y((value / asked) * 100)}" r="4" fill="${colour}" fill-opacity=".6"/>`,
    );
  });
  const middle = (left + width / 2).toFixed(1);
  const label =
    `<text x="${middle}" y="${HEIGHT - 40}" text-anchor="middle">${asked} Mbit/s</text>` +
    `<text x="${middle}" y="${HEIGHT - 24}" text-anchor="middle">${got.length > 1 ? `${got.length} pods` : "one pod"}</text>`;
  return { band, dots: dots.join("") + label };
}
