// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { OVN_PROVIDER } from "../../api/annotations.ts";
import type { VpcSpec } from "../../api/generated/vpc.ts";
import { podPortName } from "../../api/port-names.ts";
import { type Rows, type State, type StateObject, sameRowsHowever } from "../testing/states.ts";

type Columns = Readonly<Record<string, unknown>>;

const metaOf = (name: string, namespace?: string, more: object = {}) => ({
  ...{ name, uid: `uid-${namespace ?? ""}-${name}`, generation: 1, creationTimestamp: "2026-01-01T00:00:00Z" },
  ...(namespace !== undefined && { namespace }),
  ...more,
});
const object = (
  kind: StateObject["kind"],
  name: string,
  spec: object,
  namespace?: string,
  more: object = {},
): StateObject => ({ kind, object: { metadata: metaOf(name, namespace), spec, ...more } });

const NODES = ["weft-1", "weft-2"];
const BASE: State = [
  object("vpcs", "ovn-cluster", {}),
  object("subnetSpecs", "join", { cidrBlock: "100.64.0.0/16", vpc: "ovn-cluster" }),
  object("subnetSpecs", "ovn-default", { cidrBlock: "10.16.0.0/16", vpc: "ovn-cluster", default: true }),
  ...NODES.map((name, i) =>
    object("nodes", name, {}, undefined, {
      status: { addresses: [{ type: "InternalIP", address: `172.18.0.${11 + i}` }] },
    }),
  ),
  ...NODES.map((name, i) =>
    object("ips", `node-${name}`, {
      ...{ podName: name, nodeName: name, subnet: "join", v4IpAddress: `100.64.0.${2 + i}` },
      macAddress: `02:00:00:00:00:0${2 + i}`,
    }),
  ),
];

/** A tenant whose namespace is named like its VPC: two pods, a policy about one of them, a Service and a Vip. Except for its name it equals all others. */
function tenant(vpc: string, spec: VpcSpec = {}, third = 1): State {
  const address = (host: number): string => `10.${third}.0.${host}`;
  const subnet = `${vpc}-pods`;
  const pod = (name: string, node: string, host: number): State => {
    const ip = { podName: name, namespace: vpc, nodeName: node, subnet, v4IpAddress: address(host) };
    const mac = `02:00:00:00:0${third}:${host.toString(16).padStart(2, "0")}`;
    const containers = [{ ports: [] }];
    const record = object("ips", podPortName(name, vpc, OVN_PROVIDER).toString(), { ...ip, macAddress: mac });
    const uid = { "weft.kubeovn.io/pod-uid": `uid-${vpc}-${name}` };
    return [
      {
        kind: "pods",
        object: {
          metadata: metaOf(name, vpc, { labels: { app: name } }),
          spec: { nodeName: node, containers },
          status: { phase: "Running" },
        },
      },
      { ...record, object: { ...record.object, metadata: { ...record.object.metadata, annotations: uid } as never } },
    ];
  };
  const ports = [{ protocol: "TCP", port: 80 }];
  const slice: StateObject = {
    kind: "endpointSlices",
    object: {
      metadata: metaOf("web-1", vpc, { labels: { "kubernetes.io/service-name": "web" } }),
      ports,
      endpoints: [{ addresses: [address(5)], targetRef: { kind: "Pod", name: "web" } }],
    },
  };
  return [
    object("vpcs", vpc, { namespaces: [vpc], ...spec }),
    object("subnetSpecs", subnet, { vpc, cidrBlock: `10.${third}.0.0/24`, namespaces: [vpc], private: true }),
    { kind: "namespaces", object: { metadata: metaOf(vpc, undefined, { labels: { team: vpc } }) } },
    ...pod("web", "weft-1", 5),
    ...pod("db", "weft-2", 6),
    object(
      "networkPolicies",
      "db",
      {
        podSelector: { matchLabels: { app: "db" } },
        ingress: [
          { from: [{ podSelector: { matchLabels: { app: "web" } } }, { ipBlock: { cidr: `10.${third}.0.0/28` } }] },
        ],
      },
      vpc,
    ),
    object("services", "web", { clusterIPs: [`10.96.${vpc.length}.1`], ports, selector: { app: "web" } }, vpc),
    slice,
    object(
      "vips",
      `${vpc}-vip`,
      { subnet, namespace: vpc, v4ip: address(50), macAddress: "02:00:00:00:00:50" },
      undefined,
      { status: { v4ip: address(50), mac: "02:00:00:00:00:50", ready: true } },
    ),
  ];
}

const peered = (remoteVpc: string, end: number, cidr: string, nextHopIP: string): VpcSpec => ({
  vpcPeerings: [{ remoteVpc, localConnectIP: `169.254.0.${end}/30` }],
  staticRoutes: [{ cidr, nextHopIP }],
  policyRoutes: [{ priority: 9, match: "ip4.src == 10.9.0.0/16", action: "reroute", nextHopIP }],
});
const RED_PEERED = tenant("red", peered("green", 1, "10.2.0.0/24", "169.254.0.2"));
const GREEN = tenant("green", peered("red", 2, "10.1.0.0/24", "169.254.0.1"), 2);

const STATES: readonly State[] = [
  [...BASE, ...tenant("red")],
  [...BASE, ...tenant("red"), ...tenant("blue")],
  [...BASE, ...RED_PEERED, ...tenant("blue"), ...GREEN],
  [...BASE, ...RED_PEERED, ...tenant("blue")],
  [...BASE, ...tenant("blue")],
];

const of = (rows: Rows, table: string): readonly (Columns & { uuid: string })[] =>
  Object.entries(rows).flatMap(([id, columns]) =>
    id.startsWith(`${table} `) ? [{ ...(columns as Columns), uuid: id.slice(table.length + 1) }] : [],
  );
const ids = (row: Columns): Readonly<Record<string, string>> => row["external_ids"] as Readonly<Record<string, string>>;

const isRefusal = (row: Columns): boolean => String(row["name"]).endsWith("/of-other-vpc");

t.test(
  "the rows of VPCs depend only on the objects, not on their order or on what shares a transaction",
  { timeout: 240_000 },
  async (t) => {
    const rows = await sameRowsHowever(t, STATES);

    await t.test("a VPC with the addresses of another one changes no row of it", async (t) => {
      const [alone = {}, both = {}] = rows;
      const count = (state: Rows) =>
        ["Logical_Switch_Port", "Load_Balancer", "Port_Group", "ACL"].map((table) => of(state, table).length);
      const nodes = of(alone, "Port_Group").filter(({ name }) => String(name).startsWith("node."));
      t.equal(nodes.length, NODES.length);
      // The default VPC refuses clients of Services of other VPCs.
      const refusing = new Set(of(both, "Load_Balancer").flatMap((row) => (isRefusal(row) ? row.uuid : [])));
      const withoutRefusals = (columns: unknown): unknown => {
        const { load_balancer: members } = columns as Columns;
        if (!Array.isArray(members)) return columns;
        return { ...(columns as Columns), load_balancer: members.filter((uuid) => !refusing.has(uuid)) };
      };
      for (const [id, columns] of Object.entries(alone))
        t.same(withoutRefusals(both[id]), withoutRefusals(columns), id);
      // Without the ports and rules of the join and the default subnet the other one has as many rows as the first.
      const [first, second, third] = [count(alone), count(both), count(rows[4] ?? {})];
      t.same(third, first);
      t.ok(
        second.every((n, i) => n > (first[i] ?? 0)),
        `${first} and ${second}`,
      );
    });

    await t.test("no switch, router, group or load balancer refers to another VPC", async (t) => {
      for (const state of rows) {
        const ports = new Map(of(state, "Logical_Switch_Port").map((row) => [row.uuid, row]));
        const vpcOfPort = (uuid: string): string | undefined => {
          const row = ports.get(uuid) ?? {};
          return ids(row)?.["pod"]?.split("/")[0];
        };
        for (const { name, ports: own } of of(state, "Logical_Switch")) {
          const vpc = String(name).replace(/-pods$/, "");
          for (const port of own as string[])
            t.ok([undefined, vpc].includes(vpcOfPort(port)), `${name} has ports of ${vpc}`);
        }
        const balancers = new Map(of(state, "Load_Balancer").map((row) => [row.uuid, row]));
        for (const group of of(state, "Load_Balancer_Group")) {
          const members = (group["load_balancer"] as string[]).map((uuid) => ids(balancers.get(uuid) ?? {})["vpc"]);
          for (const vpc of members) t.equal(`weft/vpc/${vpc}`, group["name"]);
        }
        const routerPorts = new Map(of(state, "Logical_Router_Port").map((row) => [row.uuid, String(row["name"])]));
        for (const { name, ports: own } of of(state, "Logical_Router"))
          for (const port of own as string[])
            t.match(routerPorts.get(port), new RegExp(`^(${name}-|weft/probe/${name}/)`));
        // A policy of a namespace selects pods of that namespace, and allows such pods.
        for (const group of of(state, "Port_Group")) {
          if (/^(node|weft\\.uplinks)/.test(String(group["name"]))) continue;
          const vpcs = new Set((group["ports"] as string[]).flatMap((uuid) => vpcOfPort(uuid) ?? []));
          t.ok(vpcs.size <= 1, `group ${group["name"]} has pods of one VPC: ${[...vpcs].join()}`);
        }
      }
    });
  },
);
