import { isOvnProvider, OVN_PROVIDER, POD, type PodRequestKey, podAnnotation } from "../api/annotations.ts";
import type { FactReader } from "../facts/store.ts";
import type { FactTypes, IpFact, NetworkSelectionFact, PodFact, SubnetFact, VpcFact } from "../facts/types.ts";
import { type Refusal, refuse } from "../ipam/refusal.ts";
import { requestFromAnnotations } from "../ipam/request.ts";
import { vipUnknown } from "../ipam/sentences.ts";
import type { AddressRequest, Want } from "../ipam/types.ts";
import type { Ip } from "../net/address.ts";
import { type Dual, parseDualIp } from "../net/dual.ts";
import { isOpen, subnetsOfNamespace, vpcOfNamespace } from "./namespace-subnets.ts";
import { type PodInterface, portOf } from "./pod-interfaces.ts";
import { ordinalOf } from "./retention.ts";

/** A request, or why there is none. */
export type Wish = { readonly ok: true; readonly request: AddressRequest } | Refusal;

/** What a pod wants to have for the address of one of its interfaces: by its annotations, its namespace and its owner. */
export function podWish(facts: FactReader, pod: PodFact, { provider, onOvn, network }: PodInterface): Wish {
  const owner = portOf(pod, provider);
  const place = pod.owner?.kind === "StatefulSet" ? ordinalOf(pod.name) : undefined;
  const common = {
    owner,
    annotations: pod.annotations,
    provider,
    ...(place !== undefined && { ordinal: place.ordinal }),
  };
  if (provider !== OVN_PROVIDER) {
    const attachment = {
      nad: network?.name ?? "",
      namespace: network?.namespace ?? "",
      interfaceName: network?.interface ?? "",
      ips: network?.ips ?? "",
      mac: network?.mac ?? "",
      addressOnly: !onOvn,
    };
    const bound = boundProvider(provider, network);
    const subnets = facts.by("subnets", "provider", bound).filter((subnet) => !subnet.deleting);
    const parsed = requestFromAnnotations({ ...common, subnets: subnets.map(({ name }) => name), attachment });
    if (!parsed.ok) return parsed;
    const { request } = parsed;
    if (request.subnets.length === 0 && request.want.kind !== "pool") return noSubnet(provider, bound);
    return { ok: true, request: { ...request, namespace: pod.namespace, move: true } };
  }
  const vip = (pod.annotations[POD.vip] ?? "").trim();
  if (vip !== "") return vipWish(facts, pod, owner, vip);
  const pools = facts.by("ipPools", "namespace", pod.namespace).filter((pool) => !pool.deleting);
  const parsed = requestFromAnnotations({
    ...common,
    subnets: subnetsOfNamespace(facts, pod.namespace).map((subnet) => subnet.name),
    ...(pools.length > 0 && { namespacePools: pools.map((pool) => pool.name) }),
  });
  if (!parsed.ok) return parsed;
  const { request } = parsed;
  const none = request.subnets.length === 0 && request.want.kind !== "pool";
  const vpc = none ? vpcOfNamespace(facts, pod.namespace) : undefined;
  if (vpc !== undefined) return noSubnetInVpc(vpc, pod.namespace);
  return { ok: true, request: { ...request, namespace: pod.namespace, move: true } };
}

/** A namespace of a VPC whose subnets are still to come. */
function noSubnetInVpc({ name, defaultSubnet }: VpcFact, namespace: string): Refusal {
  const message =
    defaultSubnet === ""
      ? `Namespace "${namespace}" belongs to VPC "${name}" (spec.namespaces), in which no subnet is for it; name one in spec.defaultSubnet of the VPC, or the namespace in spec.namespaces of a subnet.`
      : `Namespace "${namespace}" belongs to VPC "${name}" (spec.namespaces), whose spec.defaultSubnet "${defaultSubnet}" is not a subnet in it; create it, or name another.`;
  return refuse("SubnetUnknown", message, { value: name });
}

/** The provider that Subnets have for an interface: the name that tells one of several on a network apart is not part of it. */
function boundProvider(provider: string, network: NetworkSelectionFact | undefined): string {
  const suffix = `.${OVN_PROVIDER}.${network?.interface ?? ""}`;
  return network !== undefined && network.interface !== "" && provider.endsWith(suffix)
    ? provider.slice(0, -network.interface.length - 1)
    : provider;
}

function noSubnet(provider: string, bound: string): Refusal {
  const message = `No subnet has the provider "${bound}", of which the pod names a network; make one with that in spec.provider, or name a subnet in ${podAnnotation(provider, "logical_switch")}.`;
  return refuse("SubnetUnknown", message, { value: bound });
}

/** A pod that takes a Vip's addresses, and its MAC, for as long as it is there. */
function vipWish(facts: FactReader, pod: PodFact, owner: string, name: string): Wish {
  const vip = facts.get("vips", name);
  if (vip === undefined)
    return vipUnknown(
      name,
      facts.all("vips").map((other) => other.name),
    );
  const refusal = vipRefusal(pod, vip);
  if (refusal !== undefined) return refusal;
  const mac = vip.mac === "" ? {} : { mac: vip.mac };
  const want = { kind: "static" as const, addresses: addressesIn(vip) };
  const { namespace } = pod;
  const request = { owner, subnets: [vip.subnet], want, ...mac, from: vipOwner(name), namespace, move: true };
  return { ok: true, request };
}

/** The addresses that an object names; none where what it names is no address. */
function addressesIn({ v4, v6 }: Pick<IpFact, "v4" | "v6">): Dual<Ip> {
  return parseDualIp([v4, v6].filter((address) => address !== "").join(",")) ?? {};
}

/** What somebody wants whose object names addresses, or leaves the choice open. */
export function wantOf(object: Pick<IpFact, "v4" | "v6">): Want & { readonly kind: "static" | "any" } {
  const addresses = addressesIn(object);
  return addresses.v4 === undefined && addresses.v6 === undefined ? { kind: "any" } : { kind: "static", addresses };
}

/** Why a pod cannot take a Vip's addresses, if so. */
function vipRefusal(pod: PodFact, { name, given, type, namespace }: FactTypes["vips"]): Refusal | undefined {
  const say = (code: Refusal["code"], message: string): Refusal => refuse(code, message, { value: name, holder: name });
  if (type !== "") {
    return say("VipNotForPods", `Vip "${name}" is of type "${type}", and no pod can take it; name one without a type.`);
  }
  if (namespace !== "" && namespace !== pod.namespace) {
    const message = `Vip "${name}" is for pods of namespace "${namespace}", not of "${pod.namespace}"; name one of that, or one without a namespace.`;
    return say("VipNotForPods", message);
  }
  return given ? undefined : say("VipNotReady", `Vip "${name}" has no address yet; see its conditions.`);
}

/** Which subnets may give an address, by their provider: those of pods' own interfaces, of any on OVN, or others as well. */
export interface Purpose {
  readonly accepts: (provider: string) => boolean;
  /** Why not, and what would do. */
  readonly refusal: (provider: string) => string;
  /** Whether it is for nodes: nobody else has an address of the join subnet, which hosts and rules take for a node's. */
  readonly nodes?: boolean;
}

/** For nodes. */
export const NODE_PURPOSE: Purpose = { accepts: () => true, refusal: () => "", nodes: true };

/** For pods' own interfaces. */
const OWN_PURPOSE: Purpose = {
  accepts: (provider) => provider === OVN_PROVIDER,
  refusal: (provider) =>
    `is for further interfaces, of provider "${provider}", and not for a pod's own; name one of provider "${OVN_PROVIDER}"`,
};

/** For what a user keeps free. */
export const ANY_PURPOSE: Purpose = { accepts: () => true, refusal: () => "", nodes: true };

/** For one interface of a pod. */
export function purposeOf({ provider: own, onOvn, network }: PodInterface): Purpose {
  if (own === OVN_PROVIDER) return OWN_PURPOSE;
  const bound = boundProvider(own, network);
  return {
    accepts: (provider) => provider === bound || isOvnProvider(provider) === onOvn,
    refusal: (provider) =>
      onOvn
        ? `is of provider "${provider}" and has no switch in OVN for interface "${own}"; name one of provider "${bound}" or "${OVN_PROVIDER}"`
        : `is of provider "${provider}", for ports of OVN, and interface "${own}" is none; name one of provider "${bound}"`,
  };
}

/** What of a request asks subnets that are in force: IPAM knows the others as well, for what is held in them. A refusal where none is. */
export function openPart(facts: FactReader, request: AddressRequest, purpose = OWN_PURPOSE): Wish {
  const join = purpose.nodes === true ? undefined : facts.get("cluster", "cluster")?.joinSubnet;
  const isClosed = (name: string): boolean => {
    const subnet = facts.get("subnets", name);
    return subnet !== undefined && (name === join || !isOpen(facts, subnet) || !purpose.accepts(subnet.provider));
  };
  const notReady = (name: string): Refusal => closedRefusal(facts.get("subnets", name), name, name === join, purpose);
  const { want } = request;
  const subnets = request.subnets.filter((name) => !isClosed(name));
  const pools = want.kind === "pool" ? want.pools : [];
  const openPools = pools.filter((pool) => !isClosed(facts.get("ipPools", pool)?.subnet ?? ""));
  const closed = subnets.length < request.subnets.length ? request.subnets.find(isClosed) : undefined;
  if (closed !== undefined && subnets.length === 0) return notReady(closed);
  if (pools.length > 0 && openPools.length === 0) {
    const name = facts.get("ipPools", pools[0] ?? "")?.subnet ?? "";
    return notReady(name);
  }
  const asked = { ...request, subnets, want: want.kind === "pool" ? { ...want, pools: openPools } : want };
  return { ok: true, request: asked };
}

function closedRefusal(
  fact: SubnetFact | undefined,
  subnet: string,
  ofNodes: boolean,
  { accepts, refusal }: Purpose,
): Refusal {
  const why = ofNodes
    ? "is for nodes, and whoever has one of its addresses is taken for one; name another one"
    : fact !== undefined && !accepts(fact.provider)
      ? refusal(fact.provider)
      : "is not in force, or is being deleted; see its conditions, or name another one";
  return refuse("SubnetNotReady", `Subnet "${subnet}" ${why}.`, { subnet, value: subnet });
}

/** What decides where an interface's address may come from; nothing where it names addresses of its own choice, or a MAC. */
export function likeness(pod: PodFact, { provider, network }: PodInterface): string | undefined {
  const wish = (key: PodRequestKey): string => pod.annotations[podAnnotation(provider, key)]?.trim() ?? "";
  const pool = wish("ip_pool");
  if (wish("ip_address") !== "" || wish("mac_address") !== "" || /[;,.:]/.test(pool)) return undefined;
  // The other forms of asking for an address have the interface's name in them.
  if (network !== undefined && (network.ips !== "" || network.mac !== "" || network.interface !== "")) return undefined;
  const from = provider === OVN_PROVIDER ? pod.namespace : provider;
  return [from, wish("logical_switch"), pool, wish("ip_family")].join(" ");
}

/** The owner in IPAM of a Vip's address; no IP object's name holds a slash. */
export function vipOwner(name: string): string {
  return `vip/${name}`;
}
