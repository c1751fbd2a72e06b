// SPDX-License-Identifier: Apache-2.0

import type { Family, Ip } from "../net/address.ts";
import { formatDual } from "../net/dual.ts";
import { isLikelyTypo } from "./misspelled-annotations.ts";
import { listOf, type Refusal, refuse } from "./refusal.ts";
import type { SubnetState } from "./subnet.ts";
import type { AddressRequest } from "./types.ts";
import type { Zone } from "./zones.ts";

/** An address that is not in the subnet. */
export function addressOutOfSubnet(subnet: SubnetState, ip: Ip): Refusal {
  const cidr = formatDual(subnet.config.cidr);
  return refuse(
    "AddressOutOfSubnet",
    `${ip.text} is not in subnet "${subnet.name}" (${cidr || "no cidrBlock"}); choose an address of that subnet, or name another subnet.`,
    { subnet: subnet.name, value: ip.text },
  );
}

/** An address that is in use by another owner. */
export function addressInUse(subnet: SubnetState, ip: Ip, holder: string): Refusal {
  return refuse(
    "AddressInUse",
    `${ip.text} in subnet "${subnet.name}" is in use by ${holderText(holder)}; choose another address, or delete its owner.`,
    { subnet: subnet.name, value: ip.text, holder },
  );
}

/** Owners that are not objects have a prefix for their type. */
const HOLDERS: readonly (readonly [string, (name: string) => string])[] = [
  ["port/", (name) => `port "${name}" of the northbound database, which has no owner and will be deleted`],
  ["gateway/", (name) => `the gateway of subnet "${name}"`],
];

/** The holder in a message: an IP object by its name, another object by kind (`vip`, `ovnEip`), slash and name. */
export function holderText(owner: string): string {
  for (const [prefix, text] of HOLDERS) if (owner.startsWith(prefix)) return text(owner.slice(prefix.length));
  const slash = owner.indexOf("/");
  if (slash <= 0) return `IP "${owner}"`;
  return `${owner.slice(0, 1).toUpperCase()}${owner.slice(1, slash)} "${owner.slice(slash + 1)}"`;
}

/** A subnet that does not exist. */
export function subnetUnknown(name: string, known: Iterable<string>): Refusal {
  return refuse("SubnetUnknown", `Subnet "${name}" does not exist; ${instead("subnet", name, known)}.`, {
    subnet: name,
    value: name,
  });
}

/** An IPPool that does not exist. */
export function poolUnknown(name: string, known: Iterable<string>): Refusal {
  return refuse("PoolUnknown", `IPPool "${name}" does not exist; create it, or ${instead("IPPool", name, known)}.`, {
    value: name,
  });
}

/** An IPPool that is reserved for other namespaces. `ip`: the requested address of it, if any. */
export function poolNotForNamespace(
  subnet: SubnetState,
  pool: string,
  namespace: string | undefined,
  ip?: Ip,
): Refusal {
  const allowed = (subnet.pool(pool)?.namespaces ?? []).map((name) => `"${name}"`);
  const others = namespace ? `not for "${namespace}"` : "not for objects without a namespace";
  const rule = `IPPool "${pool}" of subnet "${subnet.name}" is for namespace${allowed.length === 1 ? "" : "s"} ${listOf(allowed)} (spec.namespaces) only, ${others}`;
  const message =
    ip === undefined
      ? `${rule}; choose another pool, or add the namespace to this one.`
      : `${rule}; ${ip.text} is one of its addresses; choose an address outside the pool, or add the namespace to it.`;
  return refuse("PoolNotForNamespace", message, { subnet: subnet.name, value: ip?.text ?? pool, holder: pool });
}

/** A Vip that does not exist. */
export function vipUnknown(name: string, known: Iterable<string>): Refusal {
  return refuse("VipUnknown", `Vip "${name}" does not exist; create it, or ${instead("Vip", name, known)}.`, {
    value: name,
  });
}

/** Suggestions for a name that does not exist: similar names, otherwise some existing ones. */
function instead(kind: string, name: string, known: Iterable<string>): string {
  const all = [...known].sort();
  const close = all.filter((candidate) => isLikelyTypo(candidate, name));
  if (close.length > 0) return `${listOf(close.map((text) => `"${text}"`))} may be meant`;
  if (all.length === 0) return `there is no ${kind} yet`;
  return `choose one of: ${listOf(all.map((text) => `"${text}"`))}`;
}

/** An address that the subnet never allocates. */
export function addressReserved(subnet: SubnetState, ip: Ip, zone: Zone): Refusal {
  const about = { subnet: subnet.name, value: ip.text };
  const cidr = formatDual(subnet.config.cidr);
  const other = `choose another address of ${cidr}.`;
  switch (zone.kind) {
    case "gateway":
      return refuse("AddressIsGateway", `${ip.text} is the gateway of subnet "${subnet.name}"; ${other}`, {
        ...about,
        holder: `gateway of ${subnet.name}`,
      });
    case "network":
      return refuse(
        "AddressIsNetwork",
        `${ip.text} is the network address of subnet "${subnet.name}"; ${other}`,
        about,
      );
    case "broadcast":
      return refuse(
        "AddressIsBroadcast",
        ip.family === 4
          ? `${ip.text} is the broadcast address of subnet "${subnet.name}"; ${other}`
          : `${ip.text} is the last address of subnet "${subnet.name}", which is reserved; ${other}`,
        about,
      );
    default:
      return refuse(
        "AddressOfNode",
        `${ip.text} is an address of node "${zone.holder}" and cannot be allocated from subnet "${subnet.name}"; ${other}`,
        { ...about, holder: zone.holder },
      );
  }
}

/** A family that the subnet does not have. */
export function wrongFamily(subnet: SubnetState, family: Family): Refusal {
  return refuse(
    "FamilyMismatch",
    // The first half is Kube-OVN's message, which its tests look for.
    `requested ip family IPv${family} does not match subnet ${subnet.name} protocol IPv${family === 4 ? 6 : 4}, which has only ${formatDual(subnet.config.cidr)}; remove the ip_family annotation, or choose a subnet with IPv${family}.`,
    { subnet: subnet.name, value: `ipv${family}` },
  );
}

/** A pool or subnet without free addresses. */
export function nothingAvailable(subnet: SubnetState, family: Family, pool: string, request: AddressRequest): Refusal {
  const list = subnet.space(family)?.freeList(pool);
  const about = { subnet: subnet.name, value: pool === "" ? undefined : pool };
  const place = pool === "" ? `Subnet "${subnet.name}"` : `IPPool "${pool}" of subnet "${subnet.name}"`;
  if (list === undefined || list.size === 0n) {
    const way =
      pool === ""
        ? "give it a larger cidrBlock or fewer excludeIps"
        : request.family === undefined && subnet.has(4) && subnet.has(6)
          ? `the subnet is dual-stack, so add IPv${family} addresses to the pool's ips, or request one family with ip_family`
          : "add addresses to its ips that the subnet does not exclude";
    return refuse("NoAvailableAddress", `${place} has no IPv${family} addresses; ${way}.`, about);
  }
  const way =
    pool === ""
      ? "release one, enlarge cidrBlock or shorten excludeIps"
      : "release one or add addresses to the pool's ips";
  const more = list.size > NAMED ? ` and ${list.size - BigInt(NAMED)} more` : "";
  const holders = pool === "" ? "" : ` by ${subnet.holdersIn(family, pool, NAMED).map(holderText).join(", ")}${more}`;
  return refuse(
    "NoAvailableAddress",
    `${place} has no free IPv${family} address: all ${list.size} are in use${holders}; ${way}.`,
    about,
  );
}

/** The number of holders named in a message. */
const NAMED = 4;

/** A MAC that is in use by another owner. */
export function macInUse(subnet: SubnetState, mac: string, holder: string): Refusal {
  return refuse(
    "MacInUse",
    `MAC address ${mac} is in use by ${holderText(holder)} in the network of subnet "${subnet.name}"; choose another one, or remove the annotation to get a new one.`,
    { subnet: subnet.name, value: mac, holder },
  );
}

/** Codes that exclude a candidate subnet or pool as a whole; the refusals of other candidates are more useful. */
const WRONG_CANDIDATE: ReadonlySet<string> = new Set([
  "AddressOutOfSubnet",
  "SubnetUnknown",
  "FamilyMismatch",
  "PoolNotInSubnet",
  "SubnetHasNoAddresses",
]);

/** The number of refusals shown for one request: an Event's message has at most 1,024 characters. */
const SHOWN = 4;

/** One refusal for a request that several subnets or pools refused: the most useful one, or all of them joined. */
export function mostSpecificRefusal(request: AddressRequest, refusals: readonly Refusal[]): Refusal {
  const [first] = refusals;
  if (first === undefined) {
    const message = `No subnet can give "${request.owner}" an address: no subnet that is ready is bound to its namespace, and there is no ready default subnet; name a subnet in the logical_switch annotation.`;
    return refuse("SubnetUnknown", message);
  }
  if (refusals.length === 1) return first;
  const telling = refusals.filter((refusal) => !WRONG_CANDIDATE.has(refusal.code));
  const [one] = telling;
  if (one !== undefined && telling.length === 1) return one;
  const named = telling.length > 0 ? telling : refusals;
  const full = named.find((refusal) => refusal.code === "NoAvailableAddress") ?? named[0] ?? first;
  const shown = named.slice(0, SHOWN).map((refusal) => refusal.message);
  if (named.length > SHOWN) shown.push(`(And ${named.length - SHOWN} more like these.)`);
  return { ...full, message: shown.join(" ") };
}
