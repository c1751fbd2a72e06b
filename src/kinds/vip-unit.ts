// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider, POD } from "../api/annotations.ts";
import { spell } from "../api/composed-name.ts";
import { FINALIZER, secondVirtualPortName, vipPortName, virtualPortName } from "../api/names.ts";
import { vipOwner } from "../claims/pod-request.ts";
import { addressConflictOf } from "../claims/status-address-conflict.ts";
import { vipVerdictKey } from "../claims/verdict-keys.ts";
import { commaList } from "../collections/comma-list.ts";
import { type ConditionEffect, fill, keptRecord, type Note, remembered, type WeftEffect } from "../compile/effects.ts";
import { FragmentBuilder } from "../compile/fragment-builder.ts";
import { nameCollisionKey } from "../compile/name-claims.ts";
import { dropObject } from "../compile/owned-object.ts";
import { routerMacId, switchId, vipPortId } from "../compile/owner-ids.ts";
import { malformedNotes, missingNamespaces, unsupportedNotes } from "../compile/references.ts";
import { withNotes } from "../compile/reports.ts";
import { externalIds } from "../compile/rows.ts";
import { needsCheckSource } from "../compile/service/health-checks.ts";
import type { Fragment } from "../desired/fragment.ts";
import { stableMac } from "../desired/identity.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import type { AddressConflictFact } from "../facts/ip.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";
import type { SubnetFact, VerdictFact } from "../facts/subnet.ts";
import type { VipFact } from "./vip-fact.ts";

interface VipInput {
  readonly vip: VipFact;
  /** References to objects that do not exist. */
  readonly notes: readonly Note[];
  /** Its subnet, if that is accepted. */
  readonly subnet: SubnetFact | undefined;
  /** Ports of the pods that may claim a virtual address, sorted. */
  readonly parents: readonly string[];
  /** A pod uses the address as its own: the port belongs to the pod. */
  readonly taken: boolean;
  /** Why it has no address. */
  readonly refusal: VerdictFact | undefined;
  /** The other holder of the address in its status. */
  readonly conflict: AddressConflictFact | undefined;
  /** Whether another object has the plain name of its port. */
  readonly nameHolder: boolean;
  /** It was created for health checks, which are not needed any more. */
  readonly unused: boolean;
}

/**
 * A Vip: its addresses as ports. The plain kind has a virtual port for each address (ovn-nb(5) Logical_Switch_Port type `virtual`), which is bound to
 * the parent that announces the address; the others are ports without an interface.
 */
export const vipUnit: UnitKind<FactReader, VipInput, WeftEffect> = {
  name: "vip",
  priority: 4,

  read(reader, key) {
    const vip = reader.get("vips", key);
    if (vip === undefined) return undefined;
    const subnet = reader.get("verdicts", vip.subnet)?.ok === true ? reader.get("subnets", vip.subnet) : undefined;
    return {
      vip,
      notes: vip.namespace === "" ? [] : missingNamespaces(reader, [vip.namespace], "spec.namespace"),
      subnet,
      parents: vip.type === "" ? parentsOf(reader, vip) : [],
      taken: isTaken(reader, vip),
      refusal: vip.given ? undefined : reader.get("verdicts", vipVerdictKey(key)),
      conflict: vip.given ? addressConflictOf(reader, vipOwner(key), (pod) => names(pod, key)) : undefined,
      nameHolder:
        vip.type === ""
          ? reader.get("nameCollisions", nameCollisionKey.vip(key)) !== undefined
          : reader.by("pods", "holder", `${vip.namespace}/${key}`).length > 0,
      unused: vip.checkSource && !needsCheckSource(reader, vip.subnet),
    };
  },

  compile({ vip, subnet, parents, taken, refusal, conflict, notes, nameHolder, unused }): Fragment<WeftEffect> {
    if (vip.deleting) return new FragmentBuilder().finish(fill("vips", vip, { finalizer: false }));
    const condition = stateOf(vip, subnet, refusal, conflict, [
      ...notes,
      ...unsupportedNotes(vip),
      ...malformedNotes(vip),
    ]);
    if (unused) return new FragmentBuilder().finish([dropObject("vips", vip)]);
    const known = vip.problem === undefined && vip.written.length + vip.accepted.length > 0;
    const effects = fill(
      "vips",
      { ...vip, annotations: vip.records },
      {
        // It is set together with the address: before that there is nothing to release.
        finalizer: vip.given || vip.finalizers.includes(FINALIZER),
        annotations: known ? remembered({ selector: vip.written }) : vip.deleting ? {} : keptRecord(vip.accepted),
        version: vip.version,
      },
      condition,
    );
    // Without a switch the address is only reserved; for a load balancer's address the router port answers (`vip-proxies.ts`).
    if (vip.type === "switch_lb_vip") return new FragmentBuilder().finish(effects);
    if (subnet === undefined || !vip.given || conflict !== undefined || taken || !isOvnProvider(subnet.provider))
      return new FragmentBuilder().finish(effects);
    const build = new FragmentBuilder();
    const port = vip.type === "" ? virtualPortName(vip.name) : vipPortName(vip.name, vip.namespace, subnet.provider);
    const name = spell(port, nameHolder);
    if (vip.type === "") addVirtualPort(build, name, vip, subnet, parents);
    else addPlainPort(build, name, vip, subnet);
    return build.finish(effects);
  },
};

/** No condition until there is a decision. No generation: without a status subresource, writes of the status increase it too. */
function stateOf(
  vip: VipFact,
  subnet: SubnetFact | undefined,
  refusal: VerdictFact | undefined,
  conflict: AddressConflictFact | undefined,
  notes: readonly Note[],
): ConditionEffect | undefined {
  const { name, uid, given, subnet: of, problem } = vip;
  const say = (ready: boolean, reason: string, message: string, more: object = {}): ConditionEffect => {
    const about = { key: `condition/vips/${name}`, resource: "vips", name, uid, ...more } as const;
    return withNotes(
      { kind: "condition", ...about, ready, reason, message, ...(problem && { refused: problem }) },
      notes,
    );
  };
  if (!given) return refusal && say(false, refusal.reason, refusal.message);
  if (conflict !== undefined) return say(false, "AddressInUse", conflict.message);
  if (subnet === undefined) {
    return say(false, "SubnetNotReady", `subnet "${of}" (spec.subnet) is not ready; see the conditions of the subnet`);
  }
  const mac = macOf(vip, subnet);
  const message = `it has ${[vip.v4, vip.v6, mac].filter((part) => part !== "").join(", ")}`;
  // The allocator gives the others their MAC; it does not know the router's.
  if (vip.type === "switch_lb_vip") return say(true, "Ready", message, { status: { mac } });
  const applied = vip.selector?.map(([key, value]) => `${key}: ${value}`);
  const isShown = vip.type === "" && applied !== undefined && (applied.length > 0 || vip.accepted !== "");
  return say(true, "Ready", message, isShown ? { status: { selector: applied } } : {});
}

/** ARP for a load balancer's address is answered with the router's MAC, so that its traffic goes to the router. */
function macOf({ type, mac }: VipFact, { vpc, name, provider }: SubnetFact): string {
  return type === "switch_lb_vip" && isOvnProvider(provider) ? stableMac(routerMacId(vpc, name)) : mac;
}

function addVirtualPort(
  build: FragmentBuilder,
  name: string,
  vip: VipFact,
  subnet: SubnetFact,
  parents: readonly string[],
): void {
  // Without a namespace there can be no parents, and Kube-OVN creates no port.
  if (vip.namespace === "") return;
  // A virtual port has one address (northd.c, `ip46_parse`). With both, as Kube-OVN writes them, northd ignores it.
  const [first, second] = [vip.v4, vip.v6].filter((address) => address !== "");
  const add = (id: string, port: string, address: string): void =>
    void build.held("Logical_Switch", switchId(subnet.name), "ports", "Logical_Switch_Port", id, {
      name: port,
      type: "virtual",
      options: { "virtual-ip": address, ...(parents.length > 0 && { "virtual-parents": parents.join(",") }) },
      external_ids: externalIds({ ls: subnet.name }),
    });
  if (first !== undefined) add(vipPortId(vip.name), name, first);
  if (second !== undefined) add(`${vipPortId(vip.name)}/v6`, secondVirtualPortName(vip.name), second);
}

function addPlainPort(build: FragmentBuilder, name: string, vip: VipFact, subnet: SubnetFact): void {
  build.held("Logical_Switch", switchId(subnet.name), "ports", "Logical_Switch_Port", vipPortId(vip.name), {
    name,
    type: "",
    addresses: [[vip.mac, vip.v4, vip.v6].filter((part) => part !== "").join(" ")],
    options: {},
    external_ids: externalIds({ ls: subnet.name, pod: `${vip.namespace}/${vip.name}` }),
  });
}

/**
 * Whether a pod uses the Vip's address as its own, even if it does not name the Vip any more: it keeps its address while it runs. Without a namespace
 * a plain Vip has no port anyway.
 */
function isTaken(reader: FactReader, { name, type, namespace, subnet, v4, v6 }: VipFact): boolean {
  if (type !== "" || namespace === "") return false;
  const isRecorded = [v4, v6].some(
    (address) => address !== "" && reader.by("ips", "address", address).some((ip) => ip.subnet === subnet),
  );
  return isRecorded || reader.by("pods", "namespace", namespace).some((pod) => pod.alive && names(pod, name));
}

function names({ annotations }: PodFact, vip: string): boolean {
  return annotations[POD.vip]?.trim() === vip;
}

/** Pods of the Vip's namespace and subnet that its selector matches and that name it in their annotation. */
function parentsOf(reader: FactReader, vip: VipFact): readonly string[] {
  const labels = vip.selector;
  if (vip.namespace === "" || labels === undefined) return [];
  const names = reader.by("pods", "namespace", vip.namespace).flatMap((pod) => {
    const named = commaList(pod.annotations[POD.aaps] ?? "").includes(vip.name);
    if (!named || !pod.alive || !labels.every(([key, value]) => pod.labels[key] === value)) return [];
    return reader.by("ips", "holder", pod.holder).flatMap((ip) => (ip.subnet === vip.subnet ? [ip.name] : []));
  });
  return [...new Set(names)].sort();
}
