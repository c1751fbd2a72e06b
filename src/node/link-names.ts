// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";

/** Linux' limit (IFNAMSIZ) without the ending. */
const ROOM = 13;
/** Fewer characters of a container's id would eventually be equal for two pods of a node. */
const ENOUGH = 7;

/**
 * Names of a pod's host interface, as in Kube-OVN: `<first 12 of the container id>_h` for eth0, and `<start of the
 * container id>_<interface>_h` for another one, so that both fit Linux' 15 characters. If an interface's name leaves
 * too little of the id (KubeVirt's `pod16367aacb67`), a digest of both is used instead: two pods must not have the
 * same name.
 */
export function hostLinkName(containerId: string, ifName: string): string {
  if (ifName === "eth0") return `${containerId.slice(0, 12)}_h`;
  const room = ROOM - 1 - ifName.length;
  if (room >= ENOUGH) return `${containerId.slice(0, room)}_${ifName}_h`;
  return `${createHash("sha1").update(`${containerId}/${ifName}`).digest("hex").slice(0, ROOM)}_h`;
}

/** Whether a name has the form of {@link hostLinkName}; another program's interface may have it too. */
export function isHostLinkName(name: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]{2,12}_h$/.test(name);
}
