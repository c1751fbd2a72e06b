// SPDX-License-Identifier: Apache-2.0

/**
 * ovn-controller's setting (ovn-controller(8)), in seconds: without it, it announces an address at most five times after it got it. A node that was cut off from all networks and comes back
 * takes its addresses from the node that replaced it; OVN 25.03 then announces nothing (mended in 25.09, "controller: Fix missing garp while gw are fighting"), and switches would
 * send to the other node until they forget where they saw the address, often after 300 s.
 */
const SETTING = "garp-max-timeout-sec";
const EVERY_S = "2";

/**
 * Settings in `external_ids` of `Open_vSwitch`: a node that is a next hop of VPCs announces its addresses in external networks again and again.
 * @param label the Node's label `NODE_EIP_LABEL`; a node that never had one gets no setting.
 */
export function announcementSettings(label: string | undefined): Readonly<Record<string, string>> {
  // 0 is the default.
  return label === undefined ? {} : { [SETTING]: label === "true" ? EVERY_S : "0" };
}
