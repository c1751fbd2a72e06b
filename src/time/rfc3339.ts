// SPDX-License-Identifier: Apache-2.0

/** meta/v1 Time: RFC 3339 in UTC with whole seconds, fractions cut off. `ms` since the epoch. */
export function formatTime(ms: number): string {
  return `${formatMilliTime(ms).slice(0, 19)}Z`;
}

/** RFC 3339 in UTC with milliseconds, for what is more frequent than seconds. `ms` since the epoch; throws RangeError if it is not the time of a Date. */
export function formatMilliTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** meta/v1 MicroTime: RFC 3339 in UTC with exactly six decimals; the API server refuses any other number of them. `ms` since the epoch. */
export function formatMicroTime(ms: number): string {
  return formatMilliTime(ms).replace("Z", "000Z");
}

/** Parses RFC 3339, in milliseconds since the epoch; `undefined` if the text is invalid. */
export function parseTime(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const ms = Date.parse(text.toUpperCase());
  return Number.isNaN(ms) ? undefined : ms;
}
