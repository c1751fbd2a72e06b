// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../../api/annotations.ts";
import { POD_LINK_ALIAS } from "../../node/marks.ts";

/**
 * The mark of the host end of a pod's pair: together with the pod's annotations it is sufficient to recreate the
 * port.
 */
export interface PodMark {
  /** `<namespace>/<name>`; absent if it did not fit completely. */
  readonly pod?: string;
  /** As sent by the runtime: one of `NodePod.uids`. */
  readonly uid: string;
  readonly containerId: string;
  readonly ifName: string;
  readonly provider: string;
  /** The network's name; absent in requests of Kube-OVN's shim. */
  readonly network?: string;
  /** Path of the pod's network namespace; absent if it did not fit. */
  readonly netns?: string;
}

/** The kernel's limit (IFALIASZ without the terminator); the alias is ASCII. */
const LONGEST = 255;

/**
 * The alias of a host end (`ip link` shows it): `weft: pod shop/web-0 uid=… container=… if=eth0`. If it is too long,
 * the namespace's path is omitted first, then the pod's name is cut. If the rest alone is too long, the alias only
 * marks the link as Weft's.
 */
export function podAlias(mark: Omit<PodMark, "pod"> | undefined, namespace: string, name: string): string {
  const pod = `${namespace}/${name}`;
  const room = LONGEST - POD_LINK_ALIAS.length;
  const details = mark === undefined ? "" : detailsOf(mark);
  const whole = `${pod}${details}${mark?.netns === undefined ? "" : ` netns=${mark.netns}`}`;
  if (details !== "" && whole.length < room && /^[!-~]+$/.test(mark?.netns ?? "-")) return `${POD_LINK_ALIAS}${whole}`;
  const said = details.length < room ? details : "";
  return `${POD_LINK_ALIAS}${pod.slice(0, room - said.length)}${said}`;
}

function detailsOf({ uid, containerId, ifName, provider, network }: Omit<PodMark, "pod">): string {
  const parts = {
    uid,
    container: containerId,
    if: ifName,
    ...(provider !== OVN_PROVIDER && { provider }),
    ...(network !== undefined && { network }),
  };
  if (!Object.values(parts).every((value) => /^[!-~]+$/.test(value))) return "";
  return Object.entries(parts)
    .map(([key, value]) => ` ${key}=${value}`)
    .join("");
}

/** Parses the alias; undefined if it does not name the pod. */
export function readPodAlias(alias: string): PodMark | undefined {
  if (!alias.startsWith(POD_LINK_ALIAS)) return undefined;
  const values = new Map(
    alias.split(" ").flatMap((part): [string, string][] => {
      const at = part.indexOf("=");
      return at < 0 ? [] : [[part.slice(0, at), part.slice(at + 1)]];
    }),
  );
  const [uid, containerId, ifName] = [values.get("uid"), values.get("container"), values.get("if")];
  if (uid === undefined || containerId === undefined || ifName === undefined) return undefined;
  const [network, netns] = [values.get("network"), values.get("netns")];
  // A pod name in an alias of maximum length may have been cut.
  const pod = alias.length < LONGEST ? alias.slice(POD_LINK_ALIAS.length, alias.indexOf(" uid=")) : undefined;
  return {
    ...(pod !== undefined && { pod }),
    ...{ uid, containerId, ifName, provider: values.get("provider") ?? OVN_PROVIDER },
    ...(network !== undefined && { network }),
    ...(netns !== undefined && { netns }),
  };
}
