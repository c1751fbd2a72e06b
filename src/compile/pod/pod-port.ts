// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, type PodKey, podAnnotation } from "../../api/annotations.ts";
import { holderName } from "../../claims/pod-interfaces.ts";
import type { WantedAnnotations } from "../../contract/annotations.ts";
import { encodePodInterface } from "../../contract/pod.ts";
import { addressesOf } from "../../facts/annotation-forms.ts";
import { hasLocalnet, isRouted } from "../../facts/underlay.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { groupId, nodeGroupId, podPortId, switchId, vpcPodsId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { addExternalAddresses } from "./external-addresses.ts";
import { addNorthGateway } from "./north-gateway.ts";
import { addPortDhcp } from "./pod-dhcp.ts";
import { addPortQos } from "./pod-qos.ts";
import { joinSecurityGroups, securityGroupIds } from "./pod-security-groups.ts";
import type { PortInput } from "./port-input.ts";
import { addSharedAddresses } from "./shared-addresses.ts";
import { machineOptions } from "./virtual-machine-port.ts";

/** Adds the port of an interface with its memberships: policies apply to each port of a pod, as in Kube-OVN. */
export function addPort(build: FragmentBuilder, input: PortInput): void {
  const { pod, node, target, ip, subnet, vpc, shared, groups } = input;
  const options = machineOptions(input);
  const { provider } = ip;
  const annotation = (key: PodKey): string | undefined => pod.annotations[podAnnotation(provider, key)];
  const addresses = [ip.mac, ip.v4, ip.v6].filter((part) => part !== "").join(" ");
  // In an external network a pod could answer for the router there, or for other objects' OvnEips, and no rule of the
  // subnet prevents that.
  const outside = hasLocalnet(subnet);
  const vips = outside ? [] : addressesOf(annotation("port_vips") ?? "");
  const secured = outside || annotation("port_security") === "true";
  const port = build.held(
    "Logical_Switch",
    switchId(subnet.name),
    "ports",
    "Logical_Switch_Port",
    podPortId(ip.name, pod),
    {
      name: ip.name,
      type: "",
      addresses: annotation("layer2_forward") === "true" ? [addresses, "unknown"].sort() : [addresses],
      port_security: secured ? [[...new Set([addresses, ...vips, ...shared.addresses])].join(" ")] : [],
      ...(Object.keys(options).length > 0 && { options }),
      dhcpv4_options: addPortDhcp(build, input, 4),
      dhcpv6_options: addPortDhcp(build, input, 6),
      external_ids: externalIds({
        ls: subnet.name,
        pod: pod.key,
        ...(provider !== OVN_PROVIDER && { provider }),
        ...securityGroupIds(pod, provider),
      }),
    },
  );
  const nodes = target === undefined ? [node] : [node, target.node];
  for (const group of vpc === undefined ? nodes.map(nodeGroupId) : [vpcPodsId(vpc)])
    build.member("Port_Group", group, "ports", port.uuid);
  for (const group of groups) build.member("Port_Group", groupId(group), "ports", port.uuid);
  joinSecurityGroups(build, input, port.uuid);
  addSharedAddresses(build, input);
  addNorthGateway(build, input);
  addExternalAddresses(build, input);
  addPortQos(build, input);
}

/** The wanted annotations of a pod for an interface; `undefined`: none. */
export function resultsOf({
  pod,
  ip,
  subnet,
  onOvn,
  localnet,
  gateway = subnet.gateway,
}: PortInput): WantedAnnotations {
  return encodePodInterface(ip.provider, {
    onOvn,
    addresses: { ...(ip.v4 && { v4: ip.v4 }), ...(ip.v6 && { v6: ip.v6 }) },
    mac: ip.mac,
    cidr: subnet.cidr,
    gateway,
    subnet: subnet.name,
    router: isRouted(subnet) ? subnet.vpc : "",
    ...(localnet && { localnet }),
    ...(pod.holder !== pod.key && { machine: holderName(pod) }),
  });
}
