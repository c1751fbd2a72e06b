import { OVN_PROVIDER, POD, podAnnotation } from "../api/annotations.ts";
import { joinDual } from "../facts/project-subnet.ts";
import type { FactReader } from "../facts/store.ts";
import type { IpFact, PodFact, SubnetFact } from "../facts/types.ts";
import type { Fragment } from "../unit/fragment.ts";
import { rowUuid } from "../unit/identity.ts";
import type { UnitKind } from "../unit/kind.ts";
import { annotate, releaseIp, type WeftEffect } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";
import { dhcpOptionsId, groupId, nodeGroupId, podPortId, subnetNodeGroupId, switchId } from "./owner-ids.ts";
import {
  joinSecurityGroups,
  missingSecurityGroups,
  reportMissingGroups,
  securityGroupIds,
} from "./pod-security-groups.ts";
import { isRetained } from "./retention.ts";
import { externalIds } from "./rows.ts";

interface PodInput {
  readonly pod: PodFact | undefined;
  readonly ip: IpFact | undefined;
  /** The address is kept although no pod uses it. */
  readonly retained: boolean;
  /** Names of the Vips that the pod may send from as well, with their addresses. */
  readonly pairs: readonly string[];
  /** The subnet of its address, where it is in force. */
  readonly subnet: SubnetFact | undefined;
  readonly router: string;
  /** Names of the groups that it is in; `undefined` while that is not known. */
  readonly groups: readonly string[] | undefined;
  /** Names of the security groups that it is to be in and that do not exist. */
  readonly missing: readonly string[];
}

/**
 * A pod: its port with every membership in one fragment, hence in one transaction, and its annotations once that is
 * committed. Its address is not decided here: compile reads the IP object that allocation has recorded.
 *
 * Its key is the holder of the address, `namespace/pod` or `namespace/machine`. It outlives the pod for as long as an IP object
 * names it, to give the address back after the port is gone, or to keep it where it is retained.
 */
export const podUnit: UnitKind<FactReader, PodInput, WeftEffect> = {
  name: "pod",
  priority: 3,

  read(reader, key) {
    const pods = reader.by("pods", "holder", key);
    const ip = reader
      .by("ips", "holder", key)
      .find((candidate) => !candidate.reserved || candidate.deleting || pods.length > 0);
    if (pods.length === 0 && ip === undefined) return undefined;
    const pod =
      pods.find((candidate) => candidate.uid === ip?.podUid) ?? pods.find((candidate) => candidate.alive) ?? pods[0];
    const named = ip === undefined ? undefined : reader.get("subnets", ip.subnet);
    const open = named !== undefined && reader.get("verdicts", named.name)?.ok && !isDisputed(reader, ip);
    return {
      pod,
      ip,
      retained: ip !== undefined && (pod === undefined || !pod.alive) && isRetained(reader, ip),
      pairs: pod === undefined ? [] : addressPairs(reader, pod),
      subnet: open ? named : undefined,
      router: reader.get("cluster", "cluster")?.router ?? "",
      groups: pod === undefined ? [] : reader.get("profiles", pod.profile)?.groups,
      missing: pod === undefined ? [] : missingSecurityGroups(reader, pod),
    };
  },

  compile(input): Fragment<WeftEffect> {
    const { pod, ip, retained, subnet } = input;
    if (pod === undefined || !pod.alive) {
      // What is kept is kept until a user deletes it.
      const kept = ip === undefined || ((ip.reserved || retained) && !ip.deleting);
      return { rows: [], edges: [], effects: kept ? [] : [releaseIp(ip, ip.podType !== "" && !ip.deleting)] };
    }
    const own = ip !== undefined && (ip.podUid === pod.uid || ip.podUid === "");
    // A record of its namesake's that a user deletes is in its way.
    if (ip?.deleting && !own) return { rows: [], edges: [], effects: [releaseIp(ip)] };
    // A reservation of a user's may lack its MAC or its address until the allocator has filled them in.
    const given = own && isComplete(ip, subnet);
    const { groups } = input;
    if (!given || subnet === undefined || pod.node === undefined || groups === undefined) {
      return { rows: [], edges: [], effects: [] };
    }
    return compilePort(pod, pod.node, ip, subnet, { ...input, groups });
  },
};

function isComplete(ip: IpFact, subnet: SubnetFact | undefined): boolean {
  return ip.mac !== "" && (ip.v4 !== "" || ip.v6 !== "" || subnet?.protocol === "Mac");
}

function isDisputed(reader: FactReader, ip: IpFact | undefined): boolean {
  return ip !== undefined && reader.get("disputes", ip.name) !== undefined;
}

/** The addresses of the Vips of its own namespace that a pod names in its annotation. */
function addressPairs(reader: FactReader, pod: PodFact): readonly string[] {
  const names = (pod.annotations[POD.aaps] ?? "").split(",").map((name) => name.trim());
  return names.flatMap((name) => {
    const vip = name === "" ? undefined : reader.get("vips", name);
    if (vip === undefined || vip.namespace !== pod.namespace || !vip.given) return [];
    return [vip.v4, vip.v6].filter((address) => address !== "");
  });
}

function compilePort(
  pod: PodFact,
  node: string,
  ip: IpFact,
  subnet: SubnetFact,
  {
    router,
    pairs,
    groups,
    missing,
  }: Pick<PodInput, "router" | "pairs" | "missing"> & { readonly groups: readonly string[] },
): Fragment<WeftEffect> {
  const build = new FragmentBuilder();
  const wish = (key: Parameters<typeof podAnnotation>[1]): string | undefined =>
    pod.annotations[podAnnotation(OVN_PROVIDER, key)];
  const addresses = [ip.mac, ip.v4, ip.v6].filter((part) => part !== "").join(" ");
  const vips = (wish("port_vips") ?? "").split(",").filter((vip) => vip !== "");
  const secured = wish("port_security") === "true";
  const dhcp = (family: 4 | 6): string | undefined =>
    subnet.enableDhcp && subnet.cidr[family === 4 ? "v4" : "v6"] !== undefined
      ? rowUuid("DHCP_Options", dhcpOptionsId(subnet.name, family))
      : undefined;
  const port = build.held(
    "Logical_Switch",
    switchId(subnet.name),
    "ports",
    "Logical_Switch_Port",
    podPortId(ip.name, pod.uid),
    {
      name: ip.name,
      type: "",
      addresses: wish("layer2_forward") === "true" ? [addresses, "unknown"].sort() : [addresses],
      port_security: secured ? [[addresses, ...vips, ...pairs].join(" ")] : [],
      dhcpv4_options: dhcp(4),
      dhcpv6_options: dhcp(6),
      external_ids: externalIds({ ls: subnet.name, pod: pod.key, ...securityGroupIds(pod) }),
    },
  );
  build.member("Port_Group", nodeGroupId(node), "ports", port.uuid);
  if (subnet.vpc === router && subnet.gatewayType === "distributed") {
    build.member("Port_Group", subnetNodeGroupId(subnet.name, node), "ports", port.uuid);
  }
  for (const group of groups) build.member("Port_Group", groupId(group), "ports", port.uuid);
  joinSecurityGroups(build, pod, port.uuid);
  const result = (key: Parameters<typeof podAnnotation>[1]): string => podAnnotation(OVN_PROVIDER, key);
  return build.finish([
    ...annotate("pods", pod, {
      [result("allocated")]: "true",
      [result("routed")]: "true",
      [result("ip_address")]: joinDual({ ...(ip.v4 && { v4: ip.v4 }), ...(ip.v6 && { v6: ip.v6 }) }),
      [result("mac_address")]: ip.mac,
      [result("cidr")]: joinDual(subnet.cidr),
      [result("gateway")]: joinDual(subnet.gateway),
      [result("logical_switch")]: subnet.name,
      [result("logical_router")]: subnet.vpc,
      [result("pod_nic_type")]: "veth-pair",
      ...(pod.holder !== pod.key && { [result("virtualmachine")]: pod.holder.slice(pod.namespace.length + 1) }),
    }),
    ...reportMissingGroups(pod, missing),
  ]);
}
