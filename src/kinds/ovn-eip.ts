// SPDX-License-Identifier: Apache-2.0

import { eipLabels, LABEL, labelValue, NAT } from "../api/annotations.ts";
import type { OvnEipSpec, OvnEipStatus } from "../api/generated/ovneip.ts";
import { FINALIZER } from "../api/names.ts";
import type { ClaimKind, RecordWrite } from "../claims/claim.ts";
import { FOR_RESERVATIONS, withEligibleSubnets } from "../claims/eligible-subnets.ts";
import { requestedAddressesOf } from "../claims/object-addresses.ts";
import { addressConflictOf } from "../claims/status-address-conflict.ts";
import { type ConditionEffect, fill, type WeftEffect } from "../compile/effects.ts";
import { FragmentBuilder } from "../compile/fragment-builder.ts";
import { addNodeEip, type NodeEip, readNodeEip } from "../compile/nat/node-eip.ts";
import { dropObject } from "../compile/owned-object.ts";
import { malformedNotes } from "../compile/references.ts";
import { withNotes } from "../compile/reports.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import { DEFAULT_EXTERNAL_SUBNET } from "../facts/external.ts";
import type { AddressConflictFact } from "../facts/ip.ts";
import { type CustomObjectFact, customObjectFields, makerOf, type ProjectedMeta } from "../facts/meta.ts";
import type { FactReader } from "../facts/store.ts";
import type { SubnetFact, VerdictFact } from "../facts/subnet.ts";
import type { AddressLease } from "../ipam/types.ts";
import { OVN_EIPS } from "../kube/resources.ts";
import { ipText } from "../net/address.ts";
import { parseMac } from "../net/mac.ts";
import { PORT_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";
import { type EipUses, readUses } from "./ovn-eip-status-uses.ts";

const DEFAULT_TYPE = "nat";

/** An address of each family, "" for none, and the MAC. */
interface Addresses {
  readonly v4: string;
  readonly v6: string;
  readonly mac: string;
}

/** One OvnEip. */
export interface OvnEipFact extends Addresses, CustomObjectFact {
  /** Its resource version. */
  readonly version: string;
  readonly subnet: string;
  /** `nat`, `lrp` or `lsp`. */
  readonly type: string;
  /** The allocated addresses, from its status; absent until then. The requested ones are in `v4`, `v6` and `mac`. */
  readonly given?: Addresses;
  /** How pods use it whose annotations name the address (`decideEipUse`); "" if it was not created for them. */
  readonly forPods: string;
  /** UID of the VPC that has created it for its port; "" for none. */
  readonly makerUid: string;
  /** Its users: the label of the VPC and the annotation of a rule; absent if it has none. */
  readonly shown: { readonly vpc?: string; readonly rule?: string };
  /** Whether spec and labels contain the allocated addresses, as in Kube-OVN. */
  readonly filled: boolean;
}

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly ovnEips: OvnEipFact;
  }
  interface FactIndexes {
    readonly ovnEips: "maker" | "nodeAddress" | "type";
  }
}

/** What {@link projectOvnEip} reads of an OvnEip. */
export interface OvnEipObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: OvnEipSpec;
  readonly status?: OvnEipStatus;
}

/** The fact of an OvnEip. As in Kube-OVN it has its addresses once its status names a MAC. */
export function projectOvnEip({ metadata, spec = {}, status = {} }: OvnEipObject): OvnEipFact {
  const subnet = spec.externalSubnet || DEFAULT_EXTERNAL_SUBNET;
  const type = spec.type || DEFAULT_TYPE;
  const given = addressesOf(status.v4Ip, status.v6Ip, status.macAddress);
  const wanted = filling({ subnet, type }, given);
  const filled = samePart(wanted.spec, { ...spec }) && samePart(wanted.labels, metadata.labels ?? {});
  const asked = addressesOf(spec.v4Ip, spec.v6Ip, spec.macAddress);
  const common = { ...customObjectFields(metadata), version: metadata.resourceVersion ?? "" };
  const [vpc, rule] = [metadata.labels?.[LABEL.vpc], metadata.annotations?.[NAT.rule]];
  const shown = { ...(vpc !== undefined && { vpc }), ...(rule !== undefined && { rule }) };
  const makerUid = makerOf(metadata, "Vpc").uid;
  const forPods = metadata.annotations?.[NAT.pods] ?? "";
  return { ...common, subnet, type, ...asked, forPods, makerUid, shown, ...(given.mac !== "" && { given }), filled };
}

function addressesOf(v4 = "", v6 = "", mac = ""): Addresses {
  return { v4: ipText(v4, 4), v6: ipText(v6, 6), mac: parseMac(mac) ?? "" };
}

/** The fields of spec and labels that Kube-OVN writes. */
function filling({ subnet, type }: Pick<OvnEipFact, "subnet" | "type">, { v4, v6, mac }: Addresses) {
  return {
    spec: { externalSubnet: subnet, type, v4Ip: v4, v6Ip: v6, macAddress: mac },
    labels: { [LABEL.subnet]: labelValue(subnet), [LABEL.ovnEipType]: type, ...eipLabels({ v4, v6 }).labels },
  };
}

/** Whether an object has these entries, an absent one counting as empty. */
function samePart(
  wanted: Readonly<Record<string, string>>,
  present: Readonly<Record<string, string | undefined>>,
): boolean {
  return Object.entries(wanted).every(([key, value]) => (present[key] ?? "") === value);
}

function verdictKey(name: string): string {
  return `ovnEip/${name}`;
}

/** An OvnEip: recorded in its status. */
const ovnEipClaim: ClaimKind<"ovnEips"> = {
  facts: "ovnEips",
  rank: 2,

  read(reader, key) {
    const eip = reader.get("ovnEips", key);
    if (eip === undefined) return undefined;
    const { name, uid, subnet, mac } = eip;
    if (eip.given !== undefined || eip.deleting) return [];
    const owner = ownerOf(eip);
    const asked = {
      ...{ owner, subnets: [subnet], want: requestedAddressesOf(eip), move: true, ...(mac !== "" && { mac }) },
      // One address of a pod's annotation.
      ...(eip.forPods !== "" && { family: eip.v6 === "" ? (4 as const) : (6 as const) }),
    };
    const open = withEligibleSubnets(reader, asked, FOR_RESERVATIONS);
    const desired = open.ok ? { ...open, record: (lease: AddressLease) => recordOf(lease, eip) } : open;
    const claimant = { kind: "ovnEips", key, name, uid } as const;
    return [{ claimant, owner, desired, recordedIn: { kind: "ovnEips", key }, verdict: verdictKey(name) }];
  },

  holds: (eip) => eip.given && { owner: ownerOf(eip), subnet: eip.subnet, ...eip.given },
};

function ownerOf({ name }: OvnEipFact): string {
  return `ovnEip/${name}`;
}

function recordOf({ v4 = "", v6 = "", mac = "" }: AddressLease, { name, uid, version, type }: OvnEipFact): RecordWrite {
  const metadata = { uid, resourceVersion: version };
  const body = { metadata, status: { v4Ip: v4, v6Ip: v6, macAddress: mac, type } };
  return { verb: "patch", kind: "ovnEips", name, subresource: "status", body };
}

interface OvnEipInput {
  readonly eip: OvnEipFact;
  /** Its subnet, if that is accepted. */
  readonly subnet: SubnetFact | undefined;
  /** Why it has no address. */
  readonly refusal: VerdictFact | undefined;
  /** The other holder of the address in its status. */
  readonly conflict: AddressConflictFact | undefined;
  readonly uses: EipUses;
  /** Its node, of type `lsp`. */
  readonly node?: NodeEip;
}

/**
 * An OvnEip: its finalizer, its condition, and the allocated addresses in its spec and labels. The objects that use its address have the rows; one of type `lsp`
 * has a router of its node.
 */
const ovnEipUnit: UnitKind<FactReader, OvnEipInput, WeftEffect> = {
  name: "ovneip",
  priority: 4,

  read(reader, key) {
    const eip = reader.get("ovnEips", key);
    if (eip === undefined) return undefined;
    const subnet = reader.get("verdicts", eip.subnet)?.ok === true ? reader.get("subnets", eip.subnet) : undefined;
    const isForNode = eip.type === "lsp" && eip.given !== undefined && !eip.deleting && subnet !== undefined;
    return {
      eip,
      subnet,
      refusal: eip.given === undefined ? reader.get("verdicts", verdictKey(key)) : undefined,
      conflict: eip.given && addressConflictOf(reader, ownerOf(eip)),
      uses: readUses(reader, eip),
      ...(isForNode && { node: readNodeEip(reader, eip, subnet) }),
    };
  },

  compile({ eip, subnet, refusal, conflict, uses, node }): Fragment<WeftEffect> {
    const { given, deleting, version } = eip;
    const build = new FragmentBuilder();
    if (deleting && uses.users.length === 0) return build.finish(fill("ovnEips", eip, { finalizer: false }));
    // No pod names its address any more.
    if (eip.forPods !== "" && !deleting && uses.users.length === 0) return build.finish([dropObject("ovnEips", eip)]);
    const problem = given && changedOf(eip, given);
    const lacks: Partial<ReturnType<typeof filling>> =
      given !== undefined && problem === undefined && !eip.filled ? filling(eip, given) : {};
    // Before it has an address there is nothing to release.
    const finalizer = given !== undefined || eip.finalizers.includes(FINALIZER);
    const state = stateOf(eip, subnet, refusal, conflict, uses, node);
    if (node !== undefined && subnet !== undefined && conflict === undefined) addNodeEip(build, eip, subnet, node);
    const condition = state && conditionOf(eip, { ...state, ...(problem && { refused: problem }) }, uses);
    const { vpc, rule } = given === undefined ? {} : uses;
    const shown = vpc !== undefined && vpc !== eip.shown.vpc ? { [LABEL.vpc]: vpc } : undefined;
    const labels = lacks.labels || shown ? { ...lacks.labels, ...shown } : undefined;
    const annotations = {
      ...(rule !== undefined && { [NAT.rule]: rule }),
      ...(eip.forPods !== "" && { [NAT.pods]: uses.pods ?? eip.forPods }),
    };
    const present = {
      ...(eip.shown.rule !== undefined && { [NAT.rule]: eip.shown.rule }),
      ...(eip.forPods !== "" && { [NAT.pods]: eip.forPods }),
    };
    return build.finish(
      fill(
        "ovnEips",
        { ...eip, annotations: present },
        { finalizer, version, annotations, ...lacks, ...(labels && { labels }) },
        condition,
      ),
    );
  },
};

interface State {
  readonly ready: boolean;
  readonly reason: string;
  readonly message: string;
  readonly refused?: { readonly reason: string; readonly message: string };
}

/** No condition until there is a decision. */
function stateOf(
  { given, deleting, subnet: of }: OvnEipFact,
  subnet: SubnetFact | undefined,
  refusal: VerdictFact | undefined,
  conflict: AddressConflictFact | undefined,
  { users }: EipUses,
  node: NodeEip | undefined,
): State | undefined {
  if (deleting && given !== undefined) {
    const shown = users.slice(0, 5).join(", ");
    const more = users.length > 5 ? ` and ${users.length - 5} more` : "";
    return {
      ready: false,
      reason: "InUse",
      message: `waiting for what uses the address to be deleted: ${shown}${more}`,
    };
  }
  if (given === undefined) return refusal && { ready: false, reason: refusal.reason, message: refusal.message };
  if (conflict !== undefined) return { ready: false, reason: "AddressInUse", message: conflict.message };
  if (subnet === undefined) {
    const message = `subnet "${of}" (spec.externalSubnet) is not ready; see the conditions of the subnet`;
    return { ready: false, reason: "SubnetNotReady", message };
  }
  if (node?.problem !== undefined) return { ready: false, ...node.problem };
  return { ready: true, reason: "Ready", message: `it has ${texts(given)}` };
}

/** Fields that differ from the allocated addresses, in an object that is older than the rules of the CRD. */
function changedOf({ v4, v6, mac }: OvnEipFact, given: Addresses): State["refused"] {
  const same = (asked: string, has: string): boolean => asked === "" || asked === has;
  if (same(v4, given.v4) && same(v6, given.v6) && same(mac, given.mac)) return undefined;
  const message = `its address ${texts(given)} cannot be changed to ${texts({ v4, v6, mac })} (spec); delete the object and create another one`;
  return { reason: "AddressesFixed", message };
}

function conditionOf(eip: OvnEipFact, state: State, { nat }: EipUses): ConditionEffect {
  const { name, uid, generation, type } = eip;
  const about = { key: `condition/ovnEips/${name}`, resource: "ovnEips", name, uid, generation } as const;
  const status = { ready: state.ready, type, nat };
  return withNotes({ kind: "condition", ...about, ...state, status }, malformedNotes(eip));
}

function texts({ v4, v6, mac }: Addresses): string {
  return [v4, v6, mac].filter((part) => part !== "").join(", ");
}

/** kubeovn.io/v1 OvnEip. */
export const ovnEipKind: Kind<"ovnEips"> = {
  facts: "ovnEips",
  type: OVN_EIPS,
  project: projectOvnEip,
  indexes: {
    type: ({ type }) => [type],
    maker: ({ makerUid }) => (makerUid === "" ? [] : [makerUid]),
    nodeAddress: ({ type, given }) =>
      type === "lsp" && given !== undefined ? [given.v4, given.v6].filter((address) => address !== "") : [],
  },
  unit: ovnEipUnit,
  rows: {
    Logical_Router: ["name", "options", "external_ids", "ports", "static_routes"],
    Logical_Router_Port: ["name", "mac", "networks", "gateway_chassis", "external_ids"],
    Gateway_Chassis: ["name", "chassis_name", "priority", "external_ids"],
    Logical_Switch: ["ports"],
    Logical_Switch_Port: PORT_COLUMNS,
    Logical_Router_Static_Route: ["ip_prefix", "nexthop", "output_port", "policy", "route_table", "external_ids"],
  },
  claim: ovnEipClaim,
  status: "subresource",
  access: {
    verbs: ["create", "patch", "delete"],
    why: "Watched; finalizers, labels and allocated addresses are patched. Those of VPCs' ports are created and deleted.",
  },
};
