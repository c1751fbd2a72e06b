// SPDX-License-Identifier: Apache-2.0

import { escaped } from "./escape.ts";
import type { LoadResult, RepeatResult } from "./result.ts";

const WIDTH = 900;
const HEIGHT = 160;
const LEFT = 50;
const BOTTOM = 20;
/** Share of the height for failures: red bars from the top. */
const FAILURES = 40;

/** A load over time, as SVG: mean and longest duration (logarithmic), failures as bars, and the spans of faults shaded. */
export function chart(series: LoadResult["series"], faults: RepeatResult["faults"]): string {
  const last = series.at(-1);
  if (last === undefined) return "<p>no iterations</p>";
  const end = Math.max(last.at, ...faults.map(({ ended }) => ended)) + 1;
  const x = (ms: number): number => LEFT + (Math.max(0, ms) / end) * (WIDTH - LEFT);
  const top = Math.max(1, ...series.map(({ maxMs }) => maxMs));
  const floor = Math.min(top / 10, ...series.filter(({ meanMs }) => meanMs > 0).map(({ meanMs }) => meanMs));
  const low = Math.log10(Math.max(0.01, floor));
  const high = Math.log10(top) + 1e-6;
  const y = (ms: number): number =>
    HEIGHT - BOTTOM - ((Math.log10(Math.max(ms, 10 ** low)) - low) / (high - low)) * (HEIGHT - BOTTOM - FAILURES);
  const line = (of: (piece: LoadResult["series"][number]) => number): string =>
    series
      .filter(({ count, failed }) => count > failed)
      .map((piece) => `${x(piece.at).toFixed(1)},${y(of(piece)).toFixed(1)}`)
      .join(" ");
  const spans = faults.map(({ name, hit, begun, ended }) => {
    const width = Math.max(2, x(ended) - x(begun));
    return `<rect x="${x(begun).toFixed(1)}" y="0" width="${width.toFixed(1)}" height="${HEIGHT - BOTTOM}" fill="#f4c542" opacity=".35"><title>${escaped(`${name}: ${hit}`)}</title></rect>`;
  });
  const most = Math.max(1, ...series.map(({ failed }) => failed));
  const bars = series
    .filter(({ failed }) => failed > 0)
    .map(
      ({ at, failed }) =>
        `<rect x="${x(at).toFixed(1)}" y="0" width="3" height="${((failed / most) * FAILURES).toFixed(1)}" fill="#c0392b"><title>${failed} failed</title></rect>`,
    );
  const seconds = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<text x="${x(share * end * 0.97).toFixed(1)}" y="${HEIGHT - 4}" font-size="11">${((share * end * 0.97) / 1000).toFixed(0)} s</text>`,
  );
  const scale = [10 ** low, top].map(
    (ms) => `<text x="0" y="${(y(ms) + 4).toFixed(1)}" font-size="11">${ms.toPrecision(2)} ms</text>`,
  );
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="100%" role="img">${spans.join("")}${bars.join("")}<polyline points="${line(({ maxMs }) => maxMs)}" fill="none" stroke="#bbb"/><polyline points="${line(({ meanMs }) => meanMs)}" fill="none" stroke="#1f6f8b" stroke-width="1.5"/>${seconds.join("")}${scale.join("")}</svg>`;
}
