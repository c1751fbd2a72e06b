// SPDX-License-Identifier: Apache-2.0

/**
 * What load balancers with `options:template=true` are made of: texts with `^name` in them, which each ovn-controller replaces by what its node's
 * row of `Chassis_Template_Var` says. Where the row lacks a name, that node has no flow with it (ovn-nb(5); OVN 25.03 and 26.03).
 *
 * Names are letters, digits, `_` and `.` (lex_is_idn of ovn/lib/lex.c).
 */

import { mapEntry } from "../../desired/map-entry.ts";

/** What every node's row has: the parts that {@link templateVip} spells IPv6 addresses with. */
export const SPELLING: readonly string[] = [
  ...Array.from({ length: 16 }, (_, i) => mapEntry(`x${i.toString(16)}`, i.toString(16))),
  mapEntry("colon", ":"),
];

/**
 * An address as the key of a template's `vips`, for nodes on which the variable `where`, if there is one, is set (and empty). northd splits such a key
 * at its colons, so an IPv6 address is spelled with variables, each the same on all nodes.
 */
export function templateVip(address: string, port: number, where?: string): string {
  const spelled = address.includes(":")
    ? address.replaceAll(/./g, (sign) => (sign === ":" ? "^colon" : `^x${sign}`))
    : address;
  return `${spelled}${where === undefined ? "" : `^${where}`}:${port}`;
}

/** The address and port that such a key is for; of one without variables it is the key itself. */
export function plainVip(key: string): string {
  const plain = key
    .replace(/\^zone\.[\w.]*/, "")
    .replaceAll("^colon", ":")
    .replaceAll(/\^x([0-9a-f])/g, "$1");
  const end = plain.lastIndexOf(":");
  return key.includes("^colon") ? `[${plain.slice(0, end)}]${plain.slice(end)}` : plain;
}

/** The variable with a node's own endpoints of a port of a Service. Each Service has its own: its UID is in the name. */
export function endpointsVariable(uid: string, protocol: string, port: number, v6: boolean): string {
  return `local.${plainName(uid)}.${protocol.toLowerCase()}.${port}.${v6 ? "v6" : "v4"}`;
}

/** The variable that is set, and empty, on the nodes of a zone (`topology.kubernetes.io/zone`); "": on those without one. */
export function zoneVariable(zone: string): string {
  return zone === "" ? "zone._n" : `zone.${plainName(zone)}`;
}

/** A text with the signs of names alone; no two texts have the same. */
function plainName(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9.]/g, (sign) => {
    if (sign === "_") return "_u";
    return sign === "-" ? "_d" : `_${sign.charCodeAt(0).toString(16)}_`;
  });
}
