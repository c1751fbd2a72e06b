// SPDX-License-Identifier: Apache-2.0

import { nodePortName } from "../api/port-names.ts";
import type { IpFact } from "../facts/ip.ts";
import type { AddressLease } from "../ipam/types.ts";
import type { ClaimKind } from "./claim.ts";
import { FOR_NODES, withEligibleSubnets } from "./eligible-subnets.ts";
import { ipNameConflict } from "./ip-name-conflict.ts";
import { newIpRecord } from "./ip-record.ts";

/** A node: its port on the join switch. */
export const nodeClaims: ClaimKind<"nodes"> = {
  facts: "nodes",
  rank: 0,

  keysOf({ kind, key, old, new: now }) {
    if (kind === "nodes") return [key];
    if (kind !== "ips") return [];
    const holders = new Set([old as IpFact | undefined, now as IpFact | undefined].map((ip) => ip?.holder ?? ""));
    return [...holders].flatMap((holder) => (holder.startsWith("node:") ? holder.slice("node:".length) : []));
  },

  read(reader, key) {
    const node = reader.get("nodes", key);
    if (node === undefined) return undefined;
    const owner = nodePortName(key);
    const old = reader.get("ips", owner);
    // Its record may have the name that an earlier version used.
    if (reader.by("ips", "holder", `node:${key}`).length > 0) return [];
    const { name, uid } = node;
    const claim = {
      claimant: { kind: "nodes", key, name, uid },
      owner,
      recordedIn: { kind: "ips", key: owner },
    } as const;
    if (old !== undefined) return [{ ...claim, desired: old.deleting ? undefined : ipNameConflict(old) }];
    const join = reader.get("cluster", "cluster")?.joinSubnet ?? "";
    const request = { owner, subnets: [join], want: { kind: "any" }, move: true } as const;
    const open = withEligibleSubnets(reader, request, FOR_NODES);
    const desired = open.ok ? { ...open, record: (lease: AddressLease) => newIpRecord(lease, { node: name }) } : open;
    return [{ ...claim, fresh: true, desired }];
  },
};
