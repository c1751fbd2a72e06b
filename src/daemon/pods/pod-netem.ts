// SPDX-License-Identifier: Apache-2.0

import { constants } from "node:os";
import type { Netem } from "../../contract/qos-record.ts";
import { NetlinkError } from "../../netlink/error.ts";
import { getLink } from "../../netlink/links.ts";
import { deleteQdisc, ensureQdisc, listQdiscs } from "../../netlink/tc.ts";
import { withNetns } from "../../netlink/with-netns.ts";
import { QDISC_HANDLE } from "../../node/marks.ts";
import type { NetemResult } from "./pod-links.ts";

/** See {@link import("./pod-links.ts").PodLinks.setNetem}. @throws NetlinkError for all other errors. */
export function setNetem(netns: string, ifName: string, netem: Netem | undefined): NetemResult {
  try {
    return withNetns(netns, ({ netlink }) => {
      const index = getLink(netlink, ifName)?.index;
      if (index === undefined) return "absent";
      const root = listQdiscs(netlink, index).find(({ parent }) => parent === "root");
      const isOurs = root?.handle === QDISC_HANDLE;
      if (netem !== undefined) {
        // The kernel does not replace a qdisc by one of another kind with the same handle, and a container can create
        // one.
        if (isOurs && root.kind !== "netem") deleteQdisc(netlink, index, "root");
        ensureQdisc(netlink, { index, kind: "netem", handle: QDISC_HANDLE, ...netem });
        return "done";
      }
      if (isOurs && root.kind === "netem") deleteQdisc(netlink, index, "root");
      return "done";
    });
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    if (error.code === "no-netns") return "absent";
    // The interface existed a moment before: the kind is not known, or, in a race, the interface was deleted.
    if (error.code === "not-found") return error.errno === constants.errno.ENOENT ? "unsupported" : "absent";
    throw error;
  }
}
