// SPDX-License-Identifier: Apache-2.0

import { addressKeys, type NatTargetFact } from "../../facts/nat-rule.ts";
import type { FactReader } from "../../facts/store.ts";
import { textContains } from "../../net/cidr.ts";
import { dualValues } from "../../net/dual.ts";
import type { Note } from "../effects.ts";
import { connectedRanges } from "../vpc/vpc-peerings.ts";
import { type NatProblem, natProblem } from "./nat-problem.ts";

/** An address inside a VPC. */
export interface NatTarget {
  readonly ok: true;
  readonly vpc: string;
  /** "" if none. */
  readonly v4: string;
  readonly v6: string;
  /**
   * The switch port with the address, and its MAC; absent for a Vip, which moves between ports, and for an unused
   * address.
   */
  readonly port?: { readonly name: string; readonly mac: string };
  /** The index keys of rules with this target, however they name it (`natTargetKeys`). */
  readonly keys: readonly string[];
  readonly notes: readonly Note[];
}

/** The target of a rule: the IP or Vip that it names, or else its addresses. */
export function readTarget(reader: FactReader, of: NatTargetFact): NatTarget | NatProblem {
  const { ipType, ipName } = of;
  if (ipName === "") return byAddress(reader, of);
  if (ipType === "vip") {
    const vip = reader.get("vips", ipName);
    if (vip === undefined || vip.deleting)
      return natProblem("VipNotFound", `Vip "${ipName}" (spec.ipName) does not exist`);
    if (!vip.given) return natProblem("VipNotReady", `Vip "${ipName}" (spec.ipName) has no address yet`);
    return inSubnet(reader, `vip/${ipName}`, vip.subnet, { v4: vip.v4, v6: vip.v6 });
  }
  const ip = reader.get("ips", ipName);
  if (ip === undefined || ip.deleting) {
    const message = `IP "${ipName}" (spec.ipName) does not exist; that of a pod is named <pod>.<namespace>`;
    return natProblem("IpNotFound", message);
  }
  return inSubnet(reader, `ip/${ipName}`, ip.subnet, { v4: ip.v4, v6: ip.v6, port: { name: ip.name, mac: ip.mac } });
}

function inSubnet(
  reader: FactReader,
  key: string,
  name: string,
  found: Pick<NatTarget, "v4" | "v6" | "port">,
): NatTarget | NatProblem {
  const subnet = reader.get("subnets", name);
  if (subnet === undefined) return natProblem("SubnetNotReady", `subnet "${name}" of spec.ipName is not ready`);
  const keys = [key, ...addressKeys(subnet.vpc, found.v4, found.v6)];
  return { ok: true, vpc: subnet.vpc, ...found, keys, notes: [] };
}

function byAddress(reader: FactReader, { vpc, v4, v6 }: NatTargetFact): NatTarget | NatProblem {
  if (v4 === "" && v6 === "")
    return natProblem("TargetMissing", "spec.ipName is empty, and so are spec.v4Ip and spec.v6Ip");
  if (reader.get("vpcs", vpc) === undefined) return natProblem("VpcNotFound", `VPC "${vpc}" (spec.vpc) does not exist`);
  const ranges = connectedRanges(reader, vpc);
  const found = [v4, v6].flatMap((address) => {
    if (address === "") return [];
    const range = ranges.find(({ cidr }) => textContains(cidr, address));
    const ip = reader.by("ips", "address", address).find((one) => one.subnet === range?.subnet);
    const others = range === undefined ? [] : reader.by("addressHolders", "subnet", range.subnet);
    const holder = others.find((one) => dualValues(one).includes(address));
    const vacant = range !== undefined && ip === undefined && holder === undefined;
    return [{ address, ip, holder, vacant, outside: range === undefined }];
  });
  const notes = found.flatMap(({ address, vacant, outside }): Note[] => {
    if (vacant) {
      const message = `no pod or Vip of VPC "${vpc}" has ${address}: packets to it are lost`;
      return [{ reason: "AddressNotFound", message }];
    }
    if (!outside) return [];
    return [{ reason: "AddressNotFound", message: `${address} is in no subnet of VPC "${vpc}"` }];
  });
  const ports = found.flatMap(({ ip }) => ip ?? []);
  const [ip] = ports;
  // One port for both families, or none.
  const shared = ip !== undefined && ports.length === found.length && ports.every(({ name }) => name === ip.name);
  const keys = [
    ...addressKeys(vpc, v4, v6),
    ...ports.map(({ name }) => `ip/${name}`),
    ...found.flatMap(({ holder }) => (holder?.key.startsWith("vips/") ? `vip/${holder.key.slice(5)}` : [])),
  ];
  return { ok: true, vpc, v4, v6, keys, ...(shared && { port: { name: ip.name, mac: ip.mac } }), notes };
}
