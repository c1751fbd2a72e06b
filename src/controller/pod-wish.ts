import { OVN_PROVIDER, POD, type PodRequestKey, podAnnotation } from "../api/annotations.ts";
import { isOpen, subnetsOfNamespace } from "../compile/namespace-subnets.ts";
import { ordinalOf } from "../compile/retention.ts";
import type { FactReader } from "../facts/store.ts";
import type { PodFact, SubnetFact, VipFact } from "../facts/types.ts";
import { type Refusal, refuse } from "../ipam/refusal.ts";
import { requestFromAnnotations } from "../ipam/request.ts";
import { vipUnknown } from "../ipam/sentences.ts";
import type { AddressRequest } from "../ipam/types.ts";
import { parseDualIp } from "../net/dual.ts";

/** A request, or why there is none. */
export type Wish = { readonly ok: true; readonly request: AddressRequest } | Refusal;

/** What a pod wants to have for its address: of its annotations, its namespace and its owner. */
export function podWish(facts: FactReader, pod: PodFact, owner: string): Wish {
  const vip = (pod.annotations[POD.vip] ?? "").trim();
  if (vip !== "") return vipWish(facts, pod, owner, vip);
  const pools = facts.by("ipPools", "namespace", pod.namespace).filter((pool) => !pool.deleting);
  const place = pod.owner?.kind === "StatefulSet" ? ordinalOf(pod.name) : undefined;
  const parsed = requestFromAnnotations({
    owner,
    annotations: pod.annotations,
    provider: OVN_PROVIDER,
    subnets: subnetsOfNamespace(facts, pod.namespace).map((subnet) => subnet.name),
    ...(pools.length > 0 && { namespacePools: pools.map((pool) => pool.name) }),
    ...(place !== undefined && { ordinal: place.ordinal }),
  });
  return parsed.ok ? { ok: true, request: { ...parsed.request, move: true } } : parsed;
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
  const addresses = parseDualIp([vip.v4, vip.v6].filter((address) => address !== "").join(",")) ?? {};
  const mac = vip.mac === "" ? {} : { mac: vip.mac };
  const want = { kind: "static" as const, addresses };
  return { ok: true, request: { owner, subnets: [vip.subnet], want, ...mac, from: vipOwner(name), move: true } };
}

/** Why a pod cannot take a Vip's addresses, if so. */
function vipRefusal(pod: PodFact, { name, given, type, namespace }: VipFact): Refusal | undefined {
  const say = (code: Refusal["code"], message: string): Refusal => refuse(code, message, { value: name, holder: name });
  if (type !== "") {
    return say("VipNotForPods", `Vip "${name}" is of type "${type}", and no pod can take it; name one without a type.`);
  }
  if (namespace !== "" && namespace !== pod.namespace) {
    const message = `Vip "${name}" is for pods of namespace "${namespace}", not of "${pod.namespace}"; name one of that, or one without a namespace.`;
    return say("VipNotForPods", message);
  }
  return given ? undefined : say("VipNotReady", `Vip "${name}" has no address yet; see its Events.`);
}

/** What of a request asks subnets that are in force: IPAM knows the others as well, for what is held in them. A refusal where none is. */
export function openPart(facts: FactReader, request: AddressRequest): Wish {
  const isClosed = (name: string): boolean => {
    const subnet = facts.get("subnets", name);
    return subnet !== undefined && (!isOpen(facts, subnet) || subnet.provider !== OVN_PROVIDER);
  };
  const { want } = request;
  const subnets = request.subnets.filter((name) => !isClosed(name));
  const pools = want.kind === "pool" ? want.pools : [];
  const openPools = pools.filter((pool) => !isClosed(facts.get("ipPools", pool)?.subnet ?? ""));
  const closed = subnets.length < request.subnets.length ? request.subnets.find(isClosed) : undefined;
  if (closed !== undefined && subnets.length === 0) return notReady(facts.get("subnets", closed), closed);
  if (pools.length > 0 && openPools.length === 0) {
    const name = facts.get("ipPools", pools[0] ?? "")?.subnet ?? "";
    return notReady(facts.get("subnets", name), name);
  }
  const asked = { ...request, subnets, want: want.kind === "pool" ? { ...want, pools: openPools } : want };
  return { ok: true, request: asked };
}

function notReady(fact: SubnetFact | undefined, subnet: string): Refusal {
  const why =
    fact !== undefined && fact.provider !== OVN_PROVIDER
      ? `is for further interfaces, of provider "${fact.provider}", and not for a pod's own; name one of provider "${OVN_PROVIDER}"`
      : "is not in force, or is being deleted; see its conditions, or name another one";
  return refuse("SubnetNotReady", `Subnet "${subnet}" ${why}.`, { subnet, value: subnet });
}

/** What decides where a pod's address may come from; nothing where it names addresses of its own choice, or a MAC. */
export function likeness(pod: PodFact): string | undefined {
  const wish = (key: PodRequestKey): string => pod.annotations[podAnnotation(OVN_PROVIDER, key)]?.trim() ?? "";
  const pool = wish("ip_pool");
  if (wish("ip_address") !== "" || wish("mac_address") !== "" || /[;,.:]/.test(pool)) return undefined;
  return [pod.namespace, wish("logical_switch"), pool, wish("ip_family")].join(" ");
}

/** The owner in IPAM of a Vip's address; no IP object's name holds a slash. */
export function vipOwner(name: string): string {
  return `vip/${name}`;
}
