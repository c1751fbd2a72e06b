// SPDX-License-Identifier: Apache-2.0

/** An active OVSDB connection method, ovsdb(7) "Active Connection Methods". */
export type Remote =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp" | "ssl"; readonly host: string; readonly port: number };

const DEFAULT_PORT = 6640;

/**
 * Parses `unix:FILE`, `tcp:HOST[:PORT]` or `ssl:HOST[:PORT]`, IPv6 addresses in brackets; undefined for anything
 * else.
 */
export function parseRemote(text: string): Remote | undefined {
  const unix = /^unix:(.+)$/.exec(text);
  if (unix?.[1] !== undefined) return { kind: "unix", path: unix[1] };
  const inet = /^(tcp|ssl):(?:\[([0-9A-Fa-f:.]+(?:%[^\]]+)?)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const host = inet?.[2] ?? inet?.[3];
  const port = inet?.[4] === undefined ? DEFAULT_PORT : Number(inet[4]);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return { kind: inet?.[1] === "ssl" ? "ssl" : "tcp", host, port };
}
