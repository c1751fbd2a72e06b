// SPDX-License-Identifier: Apache-2.0

import { POD } from "../api/annotations.ts";
import { parseIp } from "../net/address.ts";
import type { ProjectedMeta } from "./meta.ts";
import type { NetworkSelectionFact } from "./network-attachment.ts";
import type { PodFact } from "./pod.ts";

/** More than any real pod has. */
const LIMIT = 64;

const FORMS = `it must be names such as "net1,tenant/net2@eth1", or a list such as [{"name":"net1","namespace":"tenant","interface":"eth1"}]`;
/** A name of Kubernetes (RFC 1123 subdomain). */
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
/** The namespace in which Multus looks for a pod's default network that is named without one; the default of its `multusNamespace`. */
const MULTUS_NAMESPACE = "kube-system";
/** IFNAMSIZ of linux/if.h allows 15 bytes. */
const INTERFACE = /^[^\s/:]{1,15}$/;

/** Thrown and caught in this file; the message is for users. */
class Unreadable extends Error {}

/**
 * The networks of a pod, in either of the two forms of the annotation (NPWG "Kubernetes Network Custom Resource Definition" 4.1.2), or why the
 * annotation is invalid. Empty without an annotation. The network that replaces its primary one
 * (Multus' `v1.multus-cni.io/default-network`) comes first.
 */
export function projectNetworks(
  meta: ProjectedMeta,
): Pick<PodFact, "networks" | "networksProblem" | "replacesPrimary"> {
  const own = read(meta, POD.defaultNetwork, MULTUS_NAMESPACE, 1);
  const replacing = own.length > 0 && ({ replacesPrimary: true } as const);
  const further = read(meta, POD.networks, meta.namespace ?? "default", LIMIT);
  if (typeof own === "string") return { networksProblem: own, ...replacing };
  if (typeof further === "string") return { networksProblem: further, ...replacing };
  const networks = [...own.map((one): NetworkSelectionFact => ({ ...one, isDefault: true })), ...further];
  return networks.length === 0 ? {} : { networks, ...replacing };
}

/** The networks that an annotation names, or why it is invalid. */
function read(
  { annotations }: ProjectedMeta,
  key: string,
  namespace: string,
  limit: number,
): readonly NetworkSelectionFact[] | string {
  const text = annotations?.[key]?.trim() ?? "";
  if (text === "") return [];
  try {
    const networks = /[[{"]/.test(text) ? fromList(text, namespace) : fromText(text, namespace);
    if (networks.length > limit) throw new Unreadable(`names ${networks.length} networks; the limit is ${limit}`);
    return networks;
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    const value = text.length > 200 ? `${text.slice(0, 200)}…` : text;
    return `Annotation ${key} (${value}) ${error.message}.`;
  }
}

function fromText(text: string, namespace: string): readonly NetworkSelectionFact[] {
  return text.split(",").map((part) => {
    const entry = part.trim();
    const parts = /^(?:([^/@]*)\/)?([^/@]*)(?:@([^/@]*))?$/.exec(entry);
    if (parts === null) throw new Unreadable(`has "${entry}", which is not a valid network name; ${FORMS}`);
    const [, ns = namespace, name = "", given] = parts;
    return checked({ namespace: ns, name, interface: given ?? "", ips: "", mac: "" }, given !== undefined);
  });
}

function fromList(text: string, namespace: string): readonly NetworkSelectionFact[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    throw new Unreadable(`is not valid JSON; ${FORMS}`);
  }
  if (!Array.isArray(list)) throw new Unreadable(`is not a list; ${FORMS}`);
  return list.map((entry: unknown) => {
    if (typeof entry !== "object" || entry === null)
      throw new Unreadable(`has an entry that is not an object; ${FORMS}`);
    const of = entry as Readonly<Record<string, unknown>>;
    const textOf = (key: string): string => {
      const value = of[key] ?? "";
      if (typeof value !== "string") throw new Unreadable(`has a "${key}" that is not a string; ${FORMS}`);
      return value;
    };
    const ips: unknown = of["ips"] ?? [];
    if (!Array.isArray(ips) || !ips.every((ip) => typeof ip === "string"))
      throw new Unreadable(`has "ips" that are not a list of addresses; ${FORMS}`);
    const routers: unknown = of["default-route"] ?? [];
    if (!Array.isArray(routers) || !routers.every((ip) => typeof ip === "string" && parseIp(ip) !== undefined))
      throw new Unreadable(`has a "default-route" that is not a list of gateways such as ["10.0.0.1"]`);
    const name = textOf("interface");
    const made = {
      namespace: textOf("namespace") || namespace,
      name: textOf("name"),
      interface: name,
      // A prefix length is ignored: the Subnet has it.
      ips: ips.map((ip: string) => ip.trim().replace(/\/\d+$/, "")).join(","),
      mac: textOf("mac"),
      ...(routers.length > 0 && { gateways: routers.join(",") }),
    };
    return checked(made, name !== "");
  });
}

function checked(made: NetworkSelectionFact, named: boolean): NetworkSelectionFact {
  for (const part of [made.namespace, made.name]) {
    if (!NAME.test(part)) throw new Unreadable(`has "${part}", which is not a valid name; ${FORMS}`);
  }
  if (named && !INTERFACE.test(made.interface))
    throw new Unreadable(
      `has the interface name "${made.interface}", which must have 1 to 15 characters, and no "/", ":" or white space`,
    );
  return made;
}
