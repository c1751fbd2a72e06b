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
 * An address as the key of a template's `vips`; with `where`, only for nodes on which that variable is set (to an empty value). northd splits such a
 * key at its colons, so IPv6 addresses are spelled with variables that are the same on all nodes.
 */
export function templateVip(address: string, port: number, where?: string): string {
  const spelled = address.includes(":")
    ? address.replaceAll(/./g, (sign) => (sign === ":" ? "^colon" : `^x${sign}`))
    : address;
  return `${spelled}${where === undefined ? "" : `^${where}`}:${port}`;
}

/** The address and port of such a key; a key without variables is returned unchanged. */
export function plainVip(key: string): string {
  const plain = key
    .replace(/\^zone\.[\w.]*/, "")
    .replaceAll("^colon", ":")
    .replaceAll(/\^x([0-9a-f])/g, "$1");
  const end = plain.lastIndexOf(":");
  return key.includes("^colon") ? `[${plain.slice(0, end)}]${plain.slice(end)}` : plain;
}

/** The variable with a node's own endpoints of a port of a Service; its name contains the Service's UID. */
export function endpointsVariable(uid: string, protocol: string, port: number, v6: boolean): string {
  return `local.${plainName(uid)}.${protocol.toLowerCase()}.${port}.${v6 ? "v6" : "v4"}`;
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
