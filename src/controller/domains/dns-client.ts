// SPDX-License-Identifier: Apache-2.0

import { Resolver } from "node:dns/promises";

/** An address and its TTL in seconds. */
export interface DnsAddress {
  readonly address: string;
  readonly ttl: number;
}

/** The result of a query. */
export type DnsOutcome =
  /** The name's addresses of the family; none if it has only other records (RFC 2308 §2.2, NODATA). */
  | { readonly kind: "addresses"; readonly addresses: readonly DnsAddress[] }
  /** The name does not exist (NXDOMAIN). */
  | { readonly kind: "no-name" }
  /** No result: no answer, or an error of the server (SERVFAIL, REFUSED …). */
  | { readonly kind: "failed"; readonly reason: string };

/** Queries the cluster's DNS. */
export interface DnsClient {
  /** Never rejects. `servers` are `address` or `address:port`; the name is resolved without search domains. */
  ask(servers: readonly string[], name: string, family: 4 | 6): Promise<DnsOutcome>;
}

/** The codes of node:dns for negative answers of the server. */
const NO_DATA = "ENODATA";
const NO_NAME = "ENOTFOUND";

/**
 * A client with node:dns (c-ares): UDP, and TCP if an answer is too long; the TTL of an address is the smallest in its chain of CNAMEs. `timeoutMs`
 * is for the first of two attempts; the second has twice the time.
 */
export function dnsClient(timeoutMs = 2000): DnsClient {
  /** Servers → their resolver. One entry: the list changes rarely. */
  let known: { readonly key: string; readonly resolver: Resolver } | undefined;
  const resolverOf = (servers: readonly string[]): Resolver => {
    const key = servers.join(" ");
    if (known?.key !== key) {
      const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
      resolver.setServers([...servers]);
      known = { key, resolver };
    }
    return known.resolver;
  };
  return {
    async ask(servers, name, family) {
      if (servers.length === 0) return { kind: "failed", reason: "the address of the cluster's DNS is not known" };
      try {
        const resolver = resolverOf(servers);
        const options = { ttl: true } as const;
        const found = await (family === 4 ? resolver.resolve4(name, options) : resolver.resolve6(name, options));
        return { kind: "addresses", addresses: found };
      } catch (error) {
        const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
        if (code === NO_DATA) return { kind: "addresses", addresses: [] };
        return code === NO_NAME ? { kind: "no-name" } : { kind: "failed", reason: code };
      }
    },
  };
}
