// SPDX-License-Identifier: Apache-2.0

import { lookup } from "node:dns/promises";
import { type Ip, parseIp } from "../../net/address.ts";
import { addressEndpoint, type Endpoint, EndpointError } from "../../reachability/endpoint.ts";
import type { Network } from "../../reachability/network.ts";
import { type EndpointArgument, parseEndpoint } from "../endpoint-arguments.ts";

/** A host outside of the cluster, by its name in the DNS. */
export interface HostArgument {
  readonly kind: "host";
  readonly name: string;
}

/** `NAME.NAMESPACE.svc…`: the name of a Service in the cluster's DNS. */
const SERVICE_NAME = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(\.|$)/;
const HOST_NAME = /^(?=.{1,253}\.?$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?\.?$/i;

/**
 * Parses DEST: as {@link parseEndpoint}, or the DNS name of a Service or of a host. Names of pods may have dots: `isPod`
 * tells whether the namespace has one of that name. Throws {@link EndpointError}.
 */
export function parseDestination(
  text: string,
  namespace: string,
  isPod: (namespace: string, name: string) => boolean,
): EndpointArgument | HostArgument {
  const [, service, of] = SERVICE_NAME.exec(text) ?? [];
  if (service !== undefined && of !== undefined) return { kind: "service", namespace: of, name: service };
  const host = HOST_NAME.test(text) && parseIp(text) === undefined && !isPod(namespace, text);
  return host ? { kind: "host", name: text } : parseEndpoint(text, namespace);
}

/** Addresses of a host, by the DNS of the machine that this runs on. Rejects with an {@link EndpointError}. */
export async function resolveHost(name: string, resolve: typeof lookup = lookup): Promise<readonly Ip[]> {
  const found = await resolve(name, { all: true }).catch((cause: unknown) => {
    throw new EndpointError(
      `there is no pod ${name}, and the DNS has no such host: write NAMESPACE/POD, svc/NAMESPACE/NAME, node/NAME or an IP address`,
      { cause },
    );
  });
  return found.flatMap(({ address }) => parseIp(address) ?? []);
}

/** The first address of each family of a host, as ends. */
export function hostEndpoints(network: Network, name: string, addresses: readonly Ip[]): readonly Endpoint[] {
  return ([4, 6] as const).flatMap((family) => {
    const address = addresses.find((each) => each.family === family);
    if (address === undefined) return [];
    return [{ ...addressEndpoint(network, address), label: `${name} (${address.text})` }];
  });
}
