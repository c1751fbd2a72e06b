// SPDX-License-Identifier: Apache-2.0

import type { FactReader } from "../facts/store.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
import { namedHolder } from "./addresses.ts";
import type { FindAnswer, FindHit } from "./contract.ts";
import { seesHolder } from "./fill.ts";
import { PageError } from "./page-error.ts";
import { visiblePolicies } from "./policies.ts";
import { acceptedSubnet } from "./subnets.ts";
import { type Viewer, visibleNamespaces, visiblePods, visibleSubnets, visibleVpcs } from "./viewer.ts";

/** The most hits. */
const MOST = 50;
/** The longest text that is looked for: that of a name with its namespace. */
const LONGEST = 320;

/**
 * What the viewer sees that has a name, or part of one, or an address. An exact name is first, then names that begin with it, then others. An address finds its holders and the subnets that it is
 * in. Throws a `PageError`.
 */
export function findObjects(facts: FactReader, viewer: Viewer, text: string): FindAnswer {
  const query = text.trim().toLowerCase();
  if (query === "" || query.length > LONGEST)
    throw new PageError("invalid", `q is to be a name or an address, of 1 to ${LONGEST} characters`);
  const address = parseIp(query.replace(/^\[(.*)\]$/, "$1"));
  if (address !== undefined) return bounded(byAddress(facts, viewer, address));
  return bounded(byName(facts, viewer, query));
}

function bounded(hits: readonly FindHit[]): FindAnswer {
  return { hits: hits.slice(0, MOST), more: hits.length > MOST };
}

function byAddress(facts: FactReader, viewer: Viewer, address: Ip): readonly FindHit[] {
  const hits: FindHit[] = [];
  const { text } = address;
  for (const { holder, subnet, provider } of facts.by("ips", "address", text)) {
    const name = seesHolder(viewer, holder) ? namedHolder(holder) : undefined;
    if (name === undefined) continue;
    const interfaceText = provider === "ovn" ? "" : `, interface ${provider}`;
    hits.push({ ...name, by: "address", detail: `${text} in subnet ${subnet}${interfaceText}` });
  }
  for (const { key, namespace, name, addresses, externalIps, ingressIps } of facts.all("services")) {
    if (![...addresses, ...externalIps, ...ingressIps].includes(text) || !viewer.maySee(namespace)) continue;
    hits.push({ kind: "Service", namespace, name, by: "address", detail: `${text} of Service ${key}` });
  }
  if (viewer.sees.nodes)
    for (const { name, addresses } of facts.all("nodes"))
      if (addresses.includes(text)) hits.push({ kind: "Node", name, by: "address", detail: text });
  if (viewer.sees.networks)
    for (const { v4, v6, who, subnet } of facts.all("addressHolders")) {
      const name = v4 === text || v6 === text ? namedHolder(who) : undefined;
      if (name !== undefined) hits.push({ ...name, by: "holds-address", detail: `${text} in subnet ${subnet}` });
    }
  for (const name of visibleSubnets(facts, viewer)) {
    const { cidr, vpc = "" } = acceptedSubnet(facts, name) ?? {};
    for (const block of [cidr?.v4, cidr?.v6].flatMap((each) => parseCidr(each ?? "") ?? []))
      if (cidrContains(block, address))
        hits.push({ kind: "Subnet", name, by: "contains-address", detail: `${block.text} of VPC ${vpc}` });
  }
  return hits;
}

function byName(facts: FactReader, viewer: Viewer, query: string): readonly FindHit[] {
  const found: { readonly rank: number; readonly hit: FindHit }[] = [];
  const offer = (kind: string, key: string, detail: () => string): void => {
    const slash = key.indexOf("/");
    const name = key.slice(slash + 1);
    const rank = rankOf(query, key.toLowerCase(), name.toLowerCase());
    if (rank === undefined) return;
    const namespaced = slash < 0 ? {} : { namespace: key.slice(0, slash) };
    found.push({ rank, hit: { kind, ...namespaced, name, by: "name", detail: detail() } });
  };
  for (const { name } of visibleNamespaces(facts, viewer)) offer("Namespace", name, () => "");
  for (const name of visibleVpcs(facts, viewer)) offer("Vpc", name, () => "");
  for (const name of visibleSubnets(facts, viewer))
    offer("Subnet", name, () => Object.values(acceptedSubnet(facts, name)?.cidr ?? {}).join(", "));
  if (viewer.sees.nodes)
    for (const { name, internal } of facts.all("nodes")) offer("Node", name, () => Object.values(internal).join(", "));
  for (const { kind, namespace, name } of visiblePolicies(facts, viewer))
    offer(kind, namespace === undefined ? name : `${namespace}/${name}`, () => "");
  for (const { key, namespace, addresses } of facts.all("services"))
    if (viewer.maySee(namespace)) offer("Service", key, () => addresses.join(", "));
  for (const { key, holder } of visiblePods(facts, viewer))
    offer("Pod", key, () =>
      facts
        .by("ips", "holder", holder)
        .flatMap(({ v4, v6 }) => [v4, v6].filter((text) => text !== ""))
        .join(", "),
    );
  return found.sort((a, b) => a.rank - b.rank).map(({ hit }) => hit);
}

function rankOf(query: string, key: string, name: string): number | undefined {
  if (key === query || name === query) return 0;
  if (name.startsWith(query) || key.startsWith(query)) return 1;
  return key.includes(query) ? 2 : undefined;
}
