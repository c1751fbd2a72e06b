// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider, podAnnotation } from "../../api/annotations.ts";
import { subnetVipPortName } from "../../api/names.ts";
import { addressesOf } from "../../facts/annotation-forms.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import { parseIp } from "../../net/address.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";
import { dualValues } from "../../net/dual.ts";
import type { Note } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { switchId, vipPortId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/** One address of `Subnet.spec.vips`, which pods take over from each other. */
export interface SubnetVip {
  readonly address: string;
  /** Ports in the subnet whose annotation `port_vips` names it, sorted. */
  readonly parents: readonly string[];
  /** The object that has the address for itself; then there is no virtual port. */
  readonly holder?: string;
}

/** The addresses of `spec.vips`, in canonical form, and the problems of other entries. */
export function readVips({ vips, cidr, gateway }: Pick<SubnetFact, "vips" | "cidr" | "gateway">): {
  readonly addresses: readonly string[];
  readonly problems: readonly string[];
} {
  const blocks = dualValues(cidr).flatMap((text) => parseCidr(text) ?? []);
  const addresses = new Set<string>();
  const problems: string[] = [];
  for (const text of vips) {
    const ip = parseIp(text);
    if (ip === undefined) problems.push(`"${text.slice(0, 60)}" is not a valid address`);
    else if (!blocks.some((block) => cidrContains(block, ip)))
      problems.push(`${ip.text} is not in cidrBlock ${blocks.map((block) => block.text).join(",")}`);
    else if (dualValues(gateway).includes(ip.text)) problems.push(`${ip.text} is the gateway`);
    else addresses.add(ip.text);
  }
  return { addresses: [...addresses].sort(), problems };
}

/** Reads which ports may have the addresses of a subnet's `vips`, and which objects have them permanently. */
export function subnetVips(reader: FactReader, subnet: SubnetFact): readonly SubnetVip[] {
  if (subnet.vips.length === 0 || !isOvnProvider(subnet.provider)) return [];
  const others = reader.by("addressHolders", "subnet", subnet.name);
  return readVips(subnet).addresses.map((address): SubnetVip => {
    const record = reader.by("ips", "address", address).find((ip) => ip.subnet === subnet.name);
    const other = others.find(({ v4, v6 }) => v4 === address || v6 === address);
    const holder = record === undefined ? other?.who : `IP object "${record.name}"`;
    const parents = reader.by("pods", "portVip", address).flatMap((pod) =>
      pod.alive
        ? reader.by("ips", "holder", pod.holder).flatMap(({ name, subnet: of, provider }) => {
            const named = addressesOf(pod.annotations[podAnnotation(provider, "port_vips")] ?? "");
            return of === subnet.name && named.includes(address) ? name : [];
          })
        : [],
    );
    return { address, parents: [...new Set(parents)].sort(), ...(holder !== undefined && { holder }) };
  });
}

/**
 * Adds a virtual port for each (ovn-nb(5), Logical_Switch_Port type `virtual`), as Kube-OVN does: the address belongs
 * to the parent that announced it last. Kube-OVN's name for the port could be that of a pod's port.
 */
export function addSubnetVips(build: FragmentBuilder, subnet: SubnetFact, vips: readonly SubnetVip[]): void {
  for (const { address, parents, holder } of vips) {
    if (holder !== undefined) continue;
    const name = subnetVipPortName(subnet.name, address);
    build.held("Logical_Switch", switchId(subnet.name), "ports", "Logical_Switch_Port", vipPortId(name), {
      name,
      type: "virtual",
      options: { "virtual-ip": address, ...(parents.length > 0 && { "virtual-parents": parents.join(",") }) },
      external_ids: externalIds({ ls: subnet.name }),
    });
  }
}

/** Problems of the addresses. */
export function vipNotes(subnet: SubnetFact, vips: readonly SubnetVip[]): readonly Note[] {
  if (subnet.vips.length === 0) return [];
  if (!isOvnProvider(subnet.provider)) {
    const message = `spec.vips has no effect: provider "${subnet.provider}" is another plugin's`;
    return [{ reason: "InvalidVips", message }];
  }
  const { problems } = readVips(subnet);
  const notes: Note[] = [];
  if (problems.length > 0) {
    const shown = problems.slice(0, 5).join("; ");
    notes.push({ reason: "InvalidVips", message: `these entries of spec.vips are ignored: ${shown}` });
  }
  const held = vips.filter(({ holder }) => holder !== undefined);
  if (held.length > 0) {
    const shown = held.slice(0, 5).map(({ address, holder }) => `${address} (${holder})`);
    notes.push({
      reason: "AddressInUse",
      message: `these addresses of spec.vips belong to others, and pods cannot take them over: ${shown.join(", ")}`,
    });
  }
  return notes;
}
