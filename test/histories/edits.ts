// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import { ovnDnatRuleKind } from "../../src/kinds/ovn-dnat-rule.ts";
import { ovnEipKind } from "../../src/kinds/ovn-eip.ts";
import { ovnFipKind } from "../../src/kinds/ovn-fip.ts";
import { ovnSnatRuleKind } from "../../src/kinds/ovn-snat-rule.ts";
import { routerLbRuleKind } from "../../src/kinds/router-lb-rule.ts";
import { switchLbRuleKind } from "../../src/kinds/switch-lb-rule.ts";
import { vlanKind } from "../../src/kinds/vlan.ts";
import { vpcDnsKind } from "../../src/kinds/vpc-dns.ts";
import type { ObjectRef } from "../../src/kube/object.ts";
import {
  CONFIG_MAPS,
  ENDPOINT_SLICES,
  NAMESPACES,
  NETWORK_ATTACHMENTS,
  NETWORK_POLICIES,
  NODES,
  PODS,
  type ResourceType,
  SERVICES,
  SUBNETS,
  VIPS,
  VPCS,
} from "../../src/kube/resources.ts";
import * as objects from "./objects.ts";

/** One edit, with the time since the previous one in ms. */
export type Edit = { readonly after: number } & (
  | { readonly do: "put"; readonly type: ResourceType; readonly ref: ObjectRef; readonly body: objects.Body }
  | { readonly do: "delete"; readonly type: ResourceType; readonly ref: ObjectRef }
  /** The controller ends, by an orderly stop or a crash, and is started again. */
  | { readonly do: "restart"; readonly crash: boolean }
);

/** Types whose objects are deleted at the end of a history, in one order or the other. */
export const EDITED: readonly ResourceType[] = [
  PODS,
  vpcDnsKind.type,
  switchLbRuleKind.type,
  ovnFipKind.type,
  ovnSnatRuleKind.type,
  ovnDnatRuleKind.type,
  routerLbRuleKind.type,
  ovnEipKind.type,
  SERVICES,
  ENDPOINT_SLICES,
  NETWORK_POLICIES,
  VIPS,
  SUBNETS,
  VPCS,
  vlanKind.type,
  CONFIG_MAPS,
  NETWORK_ATTACHMENTS,
];

/** Pauses before an edit, in ms: none, shorter than the processing of the previous one, or longer. */
const after = fc.constantFrom(0, 0, 30, 1_000, 5_000, 40_000);

/** Histories with a maximum number of edits. Some begin with external subnets and what has addresses there, which random edits seldom produce. */
export function histories(length: number): fc.Arbitrary<readonly Edit[]> {
  const edits = fc.array(edit, { minLength: 1, maxLength: length, size: "max" });
  return fc.oneof(
    { weight: 2, arbitrary: edits },
    { weight: 1, arbitrary: edits.map((rest) => [...EXTERNAL_HISTORY, ...rest]) },
  );
}

/** An edit at once that puts an object. */
export function put(type: ResourceType, ref: ObjectRef, body: objects.Body): Edit {
  return { after: 0, do: "put", type, ref, body };
}

/** A VPC and the default one with ports in external subnets, and objects with addresses there: a floating IP, a RouterLBRule, a pod that names its address. */
export const EXTERNAL_HISTORY: readonly Edit[] = [
  put(
    NODES,
    { name: "n2" },
    {
      metadata: {
        labels: { "ovn.kubernetes.io/external-gw": "true" },
        annotations: { "ovn.kubernetes.io/chassis": "chassis-2" },
      },
    },
  ),
  put(vlanKind.type, { name: "vl" }, { spec: { provider: "external" } }),
  put(SUBNETS, { name: "out" }, { spec: { vlan: "vl", cidrBlock: "172.30.0.0/28" } }),
  put(SUBNETS, { name: "external" }, { spec: { vlan: "vl", cidrBlock: "172.29.0.0/28" } }),
  put(VPCS, { name: "va" }, { spec: { enableExternal: true, extraExternalSubnets: ["out"] } }),
  put(SUBNETS, { name: "sa" }, { spec: { vpc: "va", cidrBlock: "10.50.0.0/24" } }),
  put(ovnEipKind.type, { name: "e1" }, { spec: { externalSubnet: "out" } }),
  put(ovnFipKind.type, { name: "f1" }, { spec: { ovnEip: "e1", vpc: "va", v4Ip: "10.50.0.9" } }),
  put(ovnEipKind.type, { name: "e2" }, { spec: objects.ovnEips.e2 }),
  put(
    routerLbRuleKind.type,
    { name: "b1" },
    {
      spec: {
        ...{ ovnEip: "e2", vpc: "va", namespace: "default", endpoints: ["10.50.0.9"] },
        ports: [{ name: "a", port: 80, targetPort: 8080, protocol: "TCP" }],
      },
    },
  ),
  put(
    CONFIG_MAPS,
    { namespace: "kube-system", name: "ovn-external-gw-config" },
    {
      data: { "enable-external-gw": "true", "external-gw-nodes": "n2", type: "centralized", "nic-ip": "172.29.0.6/28" },
    },
  ),
  put(
    PODS,
    { namespace: "default", name: "p3" },
    { metadata: { annotations: { "ovn.kubernetes.io/eip": "172.29.0.5" } } },
  ),
];

/** A line for each edit. */
export function historyText(history: readonly Edit[]): string {
  return history.map(editText).join("\n");
}

function editText(one: Edit): string {
  const when = `+${one.after} ms: `;
  if (one.do === "restart") return `${when}the controller ${one.crash ? "crashes" : "restarts"}`;
  const { namespace, name } = one.ref;
  const what = `${one.do} ${one.type.plural} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
  return `${when}${what}${one.do === "put" ? ` ${JSON.stringify(one.body)}` : ""}`;
}

/** Edits that put, and sometimes delete, objects with some names. */
function edits(
  type: ResourceType,
  refs: readonly ObjectRef[],
  body: fc.Arbitrary<objects.Body>,
  deleted: (ref: ObjectRef) => boolean = () => true,
): fc.Arbitrary<Edit> {
  return fc.tuple(fc.constantFrom(...refs), body, after, fc.nat(9)).map(([ref, fields, ms, die]): Edit => {
    if (die < 2 && deleted(ref)) return { after: ms, do: "delete", type, ref };
    return { after: ms, do: "put", type, ref, body: plain(fields) };
  });
}

/** Removes fields that are undefined, as JSON does. */
function plain(body: objects.Body): objects.Body {
  return JSON.parse(JSON.stringify(body)) as objects.Body;
}

function named(...names: readonly string[]): readonly ObjectRef[] {
  return names.map((name) => ({ name }));
}

type Notes = Readonly<Record<string, string | undefined>> | undefined;

function withSpec(spec: fc.Arbitrary<object>, notes: fc.Arbitrary<Notes> = fc.constant({})) {
  return fc.record({ spec, annotations: notes }).map(({ spec: fields, annotations = {} }): objects.Body => {
    return { spec: fields, metadata: { annotations: annotations as Readonly<Record<string, string>> } };
  });
}

const config = { name: "vpc-dns-config", namespace: "kube-system" };
const externalConfig = { name: "ovn-external-gw-config", namespace: "kube-system" };
const network: objects.Body = { spec: { config: '{"type":"kube-ovn","provider":"nad.default.ovn"}' } };
const services = [
  { namespace: "default", name: "s1" },
  { namespace: "blue", name: "s2" },
];
const slices = [...services, ...named("slr-r1", "rlr-b1").map(({ name }) => ({ namespace: "default", name }))].map(
  ({ namespace, name }) => {
    return { namespace, name: `${name}-x` };
  },
);
const pods = [
  { namespace: "blue", name: "p1" },
  { namespace: "blue", name: "p2" },
  { namespace: "default", name: "p3" },
];
const node = fc.record({ annotations: objects.nodeNotes, labels: objects.nodeLabels, ready: fc.boolean() });

const edit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 3, arbitrary: edits(VPCS, named("va", "vb"), withSpec(objects.vpc)) },
  { weight: 1, arbitrary: edits(VPCS, named("ovn-cluster"), withSpec(objects.vpc), () => false) },
  { weight: 5, arbitrary: edits(SUBNETS, named("sa", "sb", "sc"), withSpec(objects.subnet)) },
  { weight: 3, arbitrary: edits(switchLbRuleKind.type, named("r1", "r2"), withSpec(objects.rule, objects.place)) },
  { weight: 2, arbitrary: edits(vpcDnsKind.type, named("d1", "d2"), withSpec(objects.dns)) },
  {
    weight: 2,
    arbitrary: edits(
      CONFIG_MAPS,
      [config],
      objects.dnsConfig.map((data) => ({ data })),
    ),
  },
  {
    weight: 1,
    arbitrary: edits(
      CONFIG_MAPS,
      [externalConfig],
      objects.externalConfig.map((data) => ({ data })),
    ),
  },
  { weight: 1, arbitrary: edits(NETWORK_ATTACHMENTS, [{ namespace: "default", name: "nad" }], fc.constant(network)) },
  { weight: 2, arbitrary: edits(VIPS, named("v1", "v2"), withSpec(objects.vip)) },
  { weight: 2, arbitrary: edits(SUBNETS, named("out"), withSpec(objects.externalSubnet)) },
  { weight: 1, arbitrary: edits(SUBNETS, named("external"), withSpec(objects.defaultExternalSubnet)) },
  { weight: 1, arbitrary: edits(vlanKind.type, named("vl", "vm"), withSpec(objects.vlan)) },
  {
    weight: 2,
    arbitrary: fc.oneof(
      ...Object.entries(objects.ovnEips).map(([name, spec]) =>
        edits(ovnEipKind.type, named(name), fc.constant({ spec })),
      ),
    ),
  },
  { weight: 2, arbitrary: edits(ovnFipKind.type, named("f1", "f2"), withSpec(objects.ovnFip)) },
  { weight: 1, arbitrary: edits(ovnSnatRuleKind.type, named("sn1", "sn2"), withSpec(objects.ovnSnatRule)) },
  { weight: 1, arbitrary: edits(ovnDnatRuleKind.type, named("dn1", "dn2"), withSpec(objects.ovnDnatRule)) },
  { weight: 2, arbitrary: edits(routerLbRuleKind.type, named("b1", "b2"), withSpec(objects.routerRule)) },
  { weight: 3, arbitrary: edits(SERVICES, services, withSpec(objects.service, objects.servicePlace)) },
  { weight: 2, arbitrary: edits(ENDPOINT_SLICES, slices, objects.slice) },
  { weight: 2, arbitrary: edits(NETWORK_POLICIES, [{ namespace: "blue", name: "np" }], withSpec(objects.policy)) },
  {
    weight: 4,
    arbitrary: edits(
      PODS,
      pods,
      objects.podRequests.map((annotations) => {
        return { metadata: { annotations: annotations as Readonly<Record<string, string>>, labels: { app: "web" } } };
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: edits(
      NODES,
      named("n1", "n2", "n3"),
      node.map(({ annotations, labels, ready }) => ({
        metadata: { annotations: annotations as Readonly<Record<string, string>>, labels },
        status: { conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
      })),
      // One node stays, because without a node no pod could be bound.
      ({ name }) => name !== "n1",
    ),
  },
  { weight: 1, arbitrary: edits(NAMESPACES, named("blue"), fc.constant({ metadata: { labels: { team: "blue" } } })) },
  { weight: 2, arbitrary: fc.record({ after, do: fc.constant("restart" as const), crash: fc.boolean() }) },
);
