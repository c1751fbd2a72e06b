// SPDX-License-Identifier: Apache-2.0

import { interfaceAnnotation, POD, type PodRequestKey, podAnnotation } from "../api/annotations.ts";
import { type Family, type Ip, parseIp } from "../net/address.ts";
import { type Dual, dualValues, parseDualIp } from "../net/dual.ts";
import { parseMac } from "../net/mac.ts";
import { findMisspelledAnnotation } from "./misspelled-annotations.ts";
import { listOf, type Refusal, refuse } from "./refusal.ts";
import type { AddressRequest, Want } from "./types.ts";

/** A pod's annotations for the address of one interface, and the subnets and pools it may come from. */
export interface RequestInput {
  /** Name of the IP object. */
  readonly owner: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** The interface's provider, the prefix of its annotations: `<provider>.kubernetes.io/ip_address`. */
  readonly provider: string;
  /** The subnets of the namespace, or of the attachment, in order. A `logical_switch` annotation overrides them. */
  readonly subnets: readonly string[];
  /** IPPools of the namespace, in order, if it has any: used unless the pod names an address or a pool itself. */
  readonly namespacePools?: readonly string[] | undefined;
  /**
   * The pod's ordinal in a StatefulSet: the index of its entry of an address list in `ip_pool`. Kube-OVN
   * takes the number in the pod's name, whatever `.spec.ordinals.start` is.
   */
  readonly ordinal?: number | undefined;
  /** Of a secondary interface: the network that the pod names for it. */
  readonly attachment?: Attachment | undefined;
}

/** What else a secondary interface may request. */
export interface Attachment {
  /** Another form of address and MAC, `<nad>.<ns>.kubernetes.io/ip_address.<interface>`, takes precedence. */
  readonly nad: string;
  readonly namespace: string;
  /** "" where the pod does not name it. */
  readonly interfaceName: string;
  /** The request in the pod's list of networks, which takes precedence over the annotations of the provider; "" if there is none. */
  readonly ips: string;
  readonly mac: string;
  /** Another plugin creates the interface and its MAC. */
  readonly addressOnly: boolean;
}

/** Parses a pod's annotations as a request. Pure. The message for an invalid one says what would be accepted. */
export function requestFromAnnotations(
  input: RequestInput,
): { readonly ok: true; readonly request: AddressRequest } | Refusal {
  const { annotations, provider, owner, attachment } = input;
  const key = (name: PodRequestKey): string => podAnnotation(provider, name);
  const find = (key: string): Annotation | undefined => {
    const value = annotations[key]?.trim();
    return value === undefined || value === "" ? undefined : { key, value };
  };
  /** The first entry with an address or MAC. */
  const findFixed = (name: "ip_address" | "mac_address"): Annotation | undefined => {
    if (attachment === undefined) return find(key(name));
    const { nad, namespace, interfaceName, ips, mac } = attachment;
    const own = interfaceName === "" ? undefined : find(interfaceAnnotation(nad, namespace, name, interfaceName));
    const [field, listed] = name === "ip_address" ? ["ips", ips] : ["mac", mac];
    return own ?? (listed === "" ? find(key(name)) : { key: `"${field}" in ${POD.networks}`, value: listed });
  };

  const typo = findMisspelledAnnotation(Object.keys(annotations), provider);
  if (typo !== undefined) {
    const message = `Annotation "${typo.key}" is unknown; "${typo.meant}" may be meant.`;
    return refuse("AnnotationUnknown", message, { value: typo.key });
  }

  const family = readFamily(find(key("ip_family")));
  if (typeof family === "object") return family;
  // If another plugin creates the interface, a requested MAC is left to that plugin (as in Kube-OVN).
  const mac = attachment?.addressOnly === true ? "none" : readMac(findFixed("mac_address"));
  if (typeof mac === "object") return mac;

  const named = find(key("logical_switch"));
  const ask = (subnets: readonly string[], want: Want): { ok: true; request: AddressRequest } => ({
    ok: true,
    request: { owner, subnets, want, family, mac },
  });
  const subnets = named === undefined ? input.subnets : [named.value];

  const fixed = findFixed("ip_address");
  if (fixed !== undefined) {
    const addresses = parseDualIp(fixed.value.replaceAll(/\s*,\s*/g, ","));
    if (addresses === undefined) return addressMalformed(fixed);
    const wrong = family && dualValues(addresses).find((ip) => ip.family !== family);
    if (wrong) return familyMismatch(fixed.key, wrong, family);
    return ask(subnets, { kind: "static", addresses });
  }

  const pool = find(key("ip_pool"));
  if (pool === undefined) {
    const pools = input.namespacePools ?? [];
    return ask(subnets, pools.length > 0 ? { kind: "pool", pools } : { kind: "any" });
  }
  if (!/[;,]/.test(pool.value) && parseIp(pool.value) === undefined) {
    // The pool determines the subnet, unless the pod names one too.
    return ask(named === undefined ? [] : subnets, { kind: "pool", pools: [pool.value] });
  }
  const tuples = readTuples(pool);
  if ("ok" in tuples) return tuples;
  for (const tuple of tuples) {
    const wrong = family && dualValues(tuple).find((ip) => ip.family !== family);
    if (wrong) return familyMismatch(pool.key, wrong, family);
  }
  if (input.ordinal === undefined) return ask(subnets, { kind: "choice", tuples });
  const own = tuples[input.ordinal];
  if (own !== undefined) return ask(subnets, { kind: "static", addresses: own });
  const message = `${pool.key} lists ${tuples.length} addresses, but pod number ${input.ordinal} of a StatefulSet needs entry ${input.ordinal + 1}; add addresses, or scale down.`;
  return refuse("PoolListTooShort", message, { value: pool.value });
}

interface Annotation {
  readonly key: string;
  readonly value: string;
}

function readFamily(annotation: Annotation | undefined): Family | undefined | Refusal {
  if (annotation === undefined) return undefined;
  if (annotation.value === "ipv4") return 4;
  if (annotation.value === "ipv6") return 6;
  const message = `${annotation.key} is "${annotation.value}"; it must be one of: ipv4, ipv6 (or absent for all families of the subnet).`;
  return refuse("FamilyMalformed", message, { value: annotation.value });
}

function readMac(annotation: Annotation | undefined): string | undefined | Refusal {
  if (annotation === undefined) return undefined;
  const mac = parseMac(annotation.value);
  if (mac !== undefined) return mac;
  const message = `${annotation.key} is "${annotation.value}", which is not a valid MAC address of an interface; it must be six bytes such as 00:00:5e:00:53:01, not multicast and not all zero.`;
  return refuse("MacMalformed", message, { value: annotation.value });
}

/**
 * The three ways in which Kube-OVN lists addresses: "v4,v6;v4,v6" are pairs, "a,b,c" are single addresses, and "v4,v6" with
 * one of each family is one pair.
 */
function readTuples(annotation: Annotation): readonly Dual<Ip>[] | Refusal {
  const { key, value } = annotation;
  const spaced = value.replaceAll(/\s+/g, "");
  let entries = spaced.split(";");
  if (entries.length === 1 && parseDualIp(spaced) === undefined) entries = spaced.split(",");
  const tuples: Dual<Ip>[] = [];
  for (const entry of entries) {
    const tuple = parseDualIp(entry);
    if (tuple === undefined) {
      const message = `"${entry}" in ${key} is not a valid address or a pair of one IPv4 and one IPv6 address; it must be the name of an IPPool, addresses such as "10.16.0.5,10.16.0.6", or pairs separated by semicolons.`;
      return refuse("PoolMalformed", message, { value: entry });
    }
    tuples.push(tuple);
  }
  const seen = new Set<string>();
  for (const ip of tuples.flatMap(dualValues)) {
    if (seen.has(ip.text)) {
      const message = `${ip.text} is in ${key} twice; remove one of the two.`;
      return refuse("PoolMalformed", message, { value: ip.text });
    }
    seen.add(ip.text);
  }
  return tuples;
}

function addressMalformed({ key, value }: Annotation): Refusal {
  const bad = value.split(",").filter((part) => parseIp(part.trim()) === undefined);
  const what =
    bad.length === 0
      ? "has more than one address of a family"
      : bad[0] === value
        ? "is not an address"
        : `has ${listOf(bad.map((part) => `"${part}"`))} in it, which is not a valid address`;
  const message = `${key} "${value}" ${what}; it must be one address without a prefix length, or one IPv4 and one IPv6 address separated by a comma.`;
  return refuse("AddressMalformed", message, { value });
}

function familyMismatch(key: string, ip: Ip, family: Family): Refusal {
  const message = `${ip.text} in ${key} is IPv${ip.family}, but ip_family requests ipv${family}; remove one of them.`;
  return refuse("FamilyMismatch", message, { value: ip.text });
}
