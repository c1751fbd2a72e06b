// SPDX-License-Identifier: Apache-2.0

import { podAnnotation } from "../../api/annotations.ts";
import { rowUuid } from "../../desired/identity.ts";
import type { ReportEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import type { ReadOptions } from "../option-list.ts";
import { dhcpOptionsId, podPortId } from "../owner-ids.ts";
import { reportPod } from "../reports.ts";
import { readDhcpOptions } from "../subnet/read-dhcp-options.ts";
import { dhcpRow } from "../subnet/subnet-dhcp.ts";
import type { PortInput } from "./port-input.ts";

/**
 * Sets the DHCP_Options of a port, by its UUID: the pod's own if its annotation `dhcp-v4-options` or `dhcp-v6-options` has any (as in Kube-OVN also
 * in a subnet without DHCP), else its subnet's. A port with one family in a dual-stack subnet gets answers for that family only.
 */
export function addPortDhcp(build: FragmentBuilder, input: PortInput, family: 4 | 6): string | undefined {
  const { pod, ip, subnet, gateway = subnet.gateway } = input;
  const side = family === 4 ? "v4" : "v6";
  if (ip[side] === "" || subnet.cidr[side] === undefined) return undefined;
  const own = ownOptions(input, family);
  if (own === undefined)
    return subnet.enableDhcp ? rowUuid("DHCP_Options", dhcpOptionsId(subnet.name, family)) : undefined;
  const row = dhcpRow({ ...subnet, gateway }, family, own.options, { port: ip.name });
  return row && build.row("DHCP_Options", `${podPortId(ip.name, pod)}/dhcpv${family}`, row).uuid;
}

function ownOptions({ pod, ip }: PortInput, family: 4 | 6): ReadOptions | undefined {
  const key = podAnnotation(ip.provider, family === 4 ? "dhcp-v4-options" : "dhcp-v6-options");
  const text = pod.annotations[key]?.trim();
  return text ? readDhcpOptions(text, family, `annotation ${key}`) : undefined;
}

/** The Event that names the pod's DHCP options which are left out. */
export function reportDhcpOptions(input: PortInput): readonly ReportEffect[] {
  const problems = ([4, 6] as const).flatMap((family) => ownOptions(input, family)?.problems ?? []);
  const [first] = problems;
  if (first === undefined) return [];
  const message = problems.map(({ path, message }) => `${path}: ${message}`).join("; ");
  return [reportPod(input.pod, `dhcp/${input.ip.provider}`, first.reason, message)];
}
