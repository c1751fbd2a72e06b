// SPDX-License-Identifier: Apache-2.0

import { digestOf } from "../../api/composed-name.ts";
import { PROBE_MAC, PROBE_NETWORK, probePortName } from "../../api/names.ts";
import { PROBE_TABLE } from "../../node/marks.ts";
import type { NodeState } from "../../node/state.ts";
import { INTEGRATION_BRIDGE } from "../ovs/ovs-view.ts";
import { EXTERNAL_ID } from "../ovs/ports.ts";
import { compileProbeRules, MARK_MASK, markOfSlot, type ProbedVpc } from "./probe-rules.ts";
import { tableOfSlot } from "./probe-slots.ts";

/** Priority of the routing rules: after the rule for local addresses, before the main table. */
const RULE_PRIORITY = 870;

const FAMILIES = [
  { family: 4, key: "v4", all: "0.0.0.0/0" },
  { family: 6, key: "v6", all: "::/0" },
] as const;

/** A VPC of the state. */
export type VpcState = ProbedVpc & { readonly vpc: string };

/** The node's link into a VPC; see `isProbeLink`. */
export function probeLinkName(vpc: string): string {
  return `probe${digestOf(["probe", vpc], 10)}`;
}

/**
 * The node's desired state for probes. The links have no addresses: packets sent by them get the node's address in the VPC by translation, and
 * replies are translated back before routing. Pure.
 */
export function probeState(
  vpcs: readonly VpcState[],
  { mtu, userspace }: { readonly mtu: number; readonly userspace: boolean },
): NodeState {
  const families = vpcs.flatMap((vpc) =>
    FAMILIES.filter(({ family }) => vpc.targets.some(({ ip }) => ip.family === family)).map((of) => ({ ...of, vpc })),
  );
  return {
    ovs: {
      ports: vpcs.map(({ vpc, link }) => ({
        name: link,
        bridge: INTEGRATION_BRIDGE,
        mac: PROBE_MAC,
        mtu,
        externalIds: { [EXTERNAL_ID.ifaceId]: probePortName(vpc) },
      })),
    },
    links: vpcs.map(({ link }) => ({ name: link, mac: PROBE_MAC, mtu, checksumOff: userspace })),
    sysctls: families.flatMap(({ family, vpc: { link } }) =>
      family === 4
        ? // rp_filter uses the mark of replies. Without it even the loose check drops everything on an interface without addresses.
          [{ key: ["ipv4", "conf", link, "src_valid_mark"], value: "1", link }]
        : [
            { key: ["ipv6", "conf", link, "disable_ipv6"], value: "0", link },
            { key: ["ipv6", "conf", link, "accept_ra"], value: "0", link },
          ],
    ),
    routes: families.map(({ key, all, vpc: { link, slot } }) => ({
      link,
      destination: all,
      gateway: PROBE_NETWORK[key].router,
      onlink: true,
      table: tableOfSlot(slot),
    })),
    rules: families.map(({ family, vpc: { slot } }) => ({
      family,
      priority: RULE_PRIORITY,
      mark: markOfSlot(slot),
      mask: MARK_MASK,
      // Only packets that the node itself sends.
      inputInterface: "lo",
      table: tableOfSlot(slot),
    })),
    tables: vpcs.length === 0 ? [] : [{ name: PROBE_TABLE, script: compileProbeRules(vpcs) }],
  };
}
