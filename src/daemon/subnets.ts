import { isOvnProvider, OVN_PROVIDER } from "../api/annotations.ts";
import { DEFAULT_VPC } from "../api/names.ts";
import { IN_FORCE_ANNOTATION, readInForce } from "../facts/in-force.ts";
import { type Informer, type InformerTime, informer } from "../kube/informer.ts";
import type { Kube } from "../kube/kube.ts";
import type { CustomObject } from "../kube/object.ts";
import { SUBNETS } from "../kube/resources.ts";
import { type Cidr, parseCidr } from "../net/cidr.ts";

/** What a node needs to know of a subnet. */
export interface SubnetFact {
  readonly name: string;
  /** Its pods are reached through `ovn0`: it is an overlay subnet of the default VPC, and the controller has accepted it. */
  readonly behindNode: boolean;
  readonly cidrs: readonly Cidr[];
  readonly natOutgoing: boolean;
  /** What its pods send outside leaves by gateway nodes, not by their own. */
  readonly centralized: boolean;
  /** 0: the node's own. */
  readonly mtu: number;
}

/** The fields of kubeovn.io/v1 Subnet that are read here. */
interface SubnetSpec {
  readonly vpc?: string;
  readonly provider?: string;
  readonly cidrBlock?: string;
  readonly vlan?: string;
  readonly logicalGateway?: boolean;
  readonly natOutgoing?: boolean;
  readonly gatewayType?: string;
  readonly mtu?: number;
}

interface SubnetStatus {
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
}

type Subnet = CustomObject<SubnetSpec, SubnetStatus>;

/** The narrow view of a subnet. A CIDR that is none is left out; the controller says so on the object. */
export function subnetFact(subnet: Subnet): SubnetFact {
  const { spec, status, metadata } = subnet;
  // What is in force may be another range than what was written last: see `IN_FORCE_ANNOTATION`.
  const inForce = readInForce(metadata.annotations?.[IN_FORCE_ANNOTATION] ?? "");
  const written = (spec.cidrBlock ?? "").split(",").map((text) => text.trim());
  const texts = inForce === undefined ? written : Object.values(inForce.cidr);
  const cidrs = texts.map(parseCidr).filter((cidr) => cidr !== undefined);
  // A subnet that overlaps another, or the nodes' own network, is not accepted: a route to it would cut the node off.
  const accepted = status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;
  // Other plugins' networks are not behind OVN, whatever they are called.
  const overlay = (!spec.vlan || spec.logicalGateway === true) && isOvnProvider(spec.provider || OVN_PROVIDER);
  return {
    name: metadata.name,
    behindNode: accepted && overlay && (spec.vpc || DEFAULT_VPC) === DEFAULT_VPC,
    cidrs,
    natOutgoing: spec.natOutgoing === true,
    centralized: spec.gatewayType === "centralized",
    mtu: spec.mtu ?? 0,
  };
}

/** All subnets. Their statuses change with every pod, which is not announced. */
export function subnetInformer(
  kube: Kube,
  onError: (error: unknown, context: string) => void,
  time: InformerTime = {},
): Informer<SubnetFact> {
  return informer<Subnet, SubnetFact>(kube, SUBNETS, { project: subnetFact, equal: sameSubnet, onError, ...time });
}

function sameSubnet(a: SubnetFact, b: SubnetFact): boolean {
  return (
    a.behindNode === b.behindNode &&
    a.natOutgoing === b.natOutgoing &&
    a.centralized === b.centralized &&
    a.mtu === b.mtu &&
    a.cidrs.map(({ text }) => text).join() === b.cidrs.map(({ text }) => text).join()
  );
}
