/** meta/v1 Time: RFC 3339 with whole seconds. `ms` since the epoch. */
export function toTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** meta/v1 MicroTime: RFC 3339 with exactly six decimals; the API server refuses any other number of them. */
export function toMicroTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
