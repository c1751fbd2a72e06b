// SPDX-License-Identifier: Apache-2.0

/**
 * Load balancers with `options:template=true` contain variables, `^name`, which each ovn-controller replaces with the values in its node's row of
 * `Chassis_Template_Var`. If the row does not have the name, the node has no flow for the text (ovn-nb(5); OVN 25.03 and 26.03).
 *
 * Names consist of letters, digits, `_` and `.` (lex_is_idn of ovn/lib/lex.c).
 */

import { mapEntry } from "../../desired/map-entry.ts";

/** The entries of every node's row: the parts with which {@link templateVip} spells IPv6 addresses. */
export const SPELLING: readonly string[] = [
  ...Array.from({ length: 16 }, (_, i) => mapEntry(`x${i.toString(16)}`, i.toString(16))),
  mapEntry("colon", ":"),
];

/**
 * An address as the key of a template's `vips`; with `where`, only for nodes on which all these variables are set (to an empty value). northd splits
 * such a key at its colons, so IPv6 addresses are spelled with variables that are the same on all nodes.
 */
export function templateVip(address: string, port: number, ...where: readonly string[]): string {
  const spelled = address.includes(":")
    ? address.replaceAll(/./g, (sign) => (sign === ":" ? "^colon" : `^x${sign}`))
    : address;
  return `${spelled}${where.map((variable) => `^${variable}`).join("")}:${port}`;
}

/** The address and port of such a key; a key without variables is returned unchanged. */
export function plainVip(key: string): string {
  const plain = key
    .replaceAll(/\^(?:zone|other)\.[\w.]*/g, "")
    .replaceAll("^colon", ":")
    .replaceAll(/\^x([0-9a-f])/g, "$1");
  const end = plain.lastIndexOf(":");
  return key.includes("^colon") ? `[${plain.slice(0, end)}]${plain.slice(end)}` : plain;
}

/**
 * A variable of one port of a Service; its name contains the Service's UID. `local`: the node's own endpoints, for `internalTrafficPolicy: Local`;
 * `same`: those with a hint for the node; `other`: set, to an empty value, on nodes without `same`.
 */
export function portVariable(
  kind: "local" | "same" | "other",
  {
    uid,
    protocol,
    port,
    v6,
  }: { readonly uid: string; readonly protocol: string; readonly port: number; readonly v6: boolean },
): string {
  return `${kind}.${plainName(uid)}.${protocol.toLowerCase()}.${port}.${v6 ? "v6" : "v4"}`;
}

/** The variable that is set, to an empty value, on the nodes of a zone (`topology.kubernetes.io/zone`); "": on nodes without a zone. */
export function zoneVariable(zone: string): string {
  return zone === "" ? "zone._n" : `zone.${plainName(zone)}`;
}

/** A text in characters that names may have; different texts give different results. */
function plainName(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9.]/g, (sign) => {
    if (sign === "_") return "_u";
    return sign === "-" ? "_d" : `_${sign.charCodeAt(0).toString(16)}_`;
  });
}
