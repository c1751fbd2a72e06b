// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { FINALIZER } from "../../api/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import { IPS, SUBNETS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { mutate } from "../../ovsdb/operation.ts";
import type { FakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { addPod, addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";

type Subnet = KubeObject & {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly reason: string; readonly message: string }[];
    readonly mcastQuerierIP?: string;
    readonly mcastQuerierMAC?: string;
    readonly v4usingIPs?: number;
  };
};
type Ip = KubeObject & { readonly spec?: Readonly<Record<string, unknown>> };

const QUERIER = "mcast-querier.web";

const subnetOf = (kube: FakeKube) => kube.object<Subnet>(SUBNETS, { name: "web" });
const patch = (kube: FakeKube, spec: object) => kube.patch(SUBNETS, { name: "web" }, { type: "merge", body: { spec } });
const switchOf = (server: FakeOvsdb) => server.rows(OVN_NB, "Logical_Switch").find(({ name }) => name === "web");
const querierPort = (server: FakeOvsdb) =>
  server.rows(OVN_NB, "Logical_Switch_Port").find(({ name }) => name === QUERIER);

t.test("multicast snooping has a querier with an address of the subnet, which is released with it", async (t) => {
  const { kube, server } = await cluster(t);
  candidate(t, kube, server);
  const spec = { cidrBlock: "10.60.0.0/24,fd00:60::/120", enableMulticastSnoop: true };
  await kube.create(SUBNETS, { metadata: { name: "web" }, spec } as never);
  const config = await eventually("snooping is on", () => {
    const found = switchOf(server)?.other_config;
    return found?.["mcast_snoop"] === "true" ? found : undefined;
  });
  const ip = kube.object<Ip>(IPS, { name: QUERIER });
  const { v4IpAddress, v6IpAddress, macAddress } = ip?.spec ?? {};
  t.match(ip?.spec, { subnet: "web", podName: QUERIER, namespace: "default", nodeName: "" });
  t.match(config, { mcast_querier: "true", mcast_eth_src: macAddress, mcast_ip4_src: v4IpAddress });
  t.match(config["mcast_ip6_src"], /^fe80::/, "MLD queries come from a link-local address");
  t.strictSame(querierPort(server)?.addresses, [`${macAddress} ${v4IpAddress} ${v6IpAddress}`]);
  const status = await eventually("the status says so", () => {
    const found = subnetOf(kube)?.status;
    return found?.mcastQuerierIP ? found : undefined;
  });
  t.match(status, { mcastQuerierIP: `${v4IpAddress},${v6IpAddress}`, mcastQuerierMAC: macAddress });

  await patch(kube, { enableMulticastSnoop: false });
  await eventually("its record is gone", () => (kube.object(IPS, { name: QUERIER }) ? undefined : true));
  t.strictSame(switchOf(server)?.other_config, {});
  t.equal(querierPort(server), undefined);
  await eventually("the status says so", () => subnetOf(kube)?.status?.mcastQuerierIP === "" || undefined);

  await patch(kube, { enableMulticastSnoop: true });
  await eventually("snooping is on again", () => switchOf(server)?.other_config["mcast_snoop"]);
  await kube.delete(SUBNETS, { name: "web" });
  await eventually("the subnet is gone", () => (subnetOf(kube) ? undefined : true));
  t.equal(kube.object(IPS, { name: QUERIER }), undefined);
});

t.test("a querier's record that was being written when its subnet was deleted is deleted", async (t) => {
  const { kube, server } = await cluster(t);
  const { controller } = candidate(t, kube, server);
  await eventually("it leads", () => controller.leading || undefined);
  const spec = { podName: QUERIER, namespace: "default", subnet: "web", v4IpAddress: "10.60.0.2" };
  await kube.create(IPS, { metadata: { name: QUERIER, finalizers: [FINALIZER] }, spec } as never);
  await eventually("its record is gone", () => (kube.object(IPS, { name: QUERIER }) ? undefined : true), 5_000);
});

t.test("another leader keeps the querier, and other programs' keys in the switch stay", async (t) => {
  const { kube, server } = await cluster(t);
  const first = candidate(t, kube, server);
  const spec = { cidrBlock: "10.60.0.0/24", enableMulticastSnoop: true };
  await kube.create(SUBNETS, { metadata: { name: "web" }, spec } as never);
  const before = await eventually("snooping is on", () => {
    const found = switchOf(server)?.other_config;
    return found?.["mcast_snoop"] === "true" ? found : undefined;
  });
  const key = ["other_config", "insert", { fdb_age_threshold: "300" }] as const;
  await server.edit(OVN_NB, [mutate(OVN_NB, "Logical_Switch", switchOf(server)?._uuid ?? "", [key])]);
  const { uid } = kube.object(IPS, { name: QUERIER })?.metadata ?? {};
  await first.stop();
  const { controller } = candidate(t, kube, server);
  await eventually("it leads", () => controller.leading || undefined);
  await addPod(kube, "a");
  await eventually("it works", () => addressOf(kube, "a"));
  t.strictSame(switchOf(server)?.other_config, { ...before, fdb_age_threshold: "300" });
  t.equal(kube.object(IPS, { name: QUERIER })?.metadata.uid, uid);
});

t.test(
  "a full subnet's condition says why multicast has no querier, and it gets one when an address is free",
  async (t) => {
    const { kube, server } = await cluster(t);
    candidate(t, kube, server);
    const spec = { cidrBlock: "10.60.0.0/29", excludeIps: ["10.60.0.2..10.60.0.6"], enableMulticastSnoop: true };
    await kube.create(SUBNETS, { metadata: { name: "web" }, spec } as never);
    await eventually("its condition says why", () =>
      subnetOf(kube)?.status?.conditions?.find(({ message }) =>
        /until the querier has an address .*has no IPv4 addresses/.test(message),
      ),
    );
    t.strictSame(switchOf(server)?.other_config, {}, "multicast is not cut off");
    await patch(kube, { excludeIps: ["10.60.0.2..10.60.0.5"] });
    const config = await eventually("snooping is on", () => switchOf(server)?.other_config["mcast_ip4_src"]);
    t.equal(config, "10.60.0.6");
  },
);

t.test("a change of rules writes only the changed rules, and nothing else of the subnet", async (t) => {
  const { kube, server } = await cluster(t);
  candidate(t, kube, server);
  const rule = (priority: number, port: number) => {
    const match = `ip4 && tcp.dst == ${port}`;
    return { direction: "to-lport", action: "drop", priority, match };
  };
  const rules = Array.from({ length: 20 }, (_, i) => rule(i + 1, 8000 + i));
  await kube.create(SUBNETS, { metadata: { name: "web" }, spec: { cidrBlock: "10.60.0.0/24", acls: rules } } as never);
  await eventually("the rules are there", () => (switchOf(server)?.acls.length ?? 0) >= rules.length || undefined);
  await eventually("the subnet is ready", () => subnetOf(kube)?.status?.conditions);
  /** The operations, as table and operation, of a change of the spec. */
  const changes = async (spec: object, until: () => boolean): Promise<readonly string[]> => {
    const before = server.transactions.length;
    await patch(kube, spec);
    await eventually(JSON.stringify(spec), () => until() || undefined);
    const operations = server.transactions.slice(before).flatMap(({ operations }) => operations);
    const writes = ["insert", "update", "mutate", "delete"];
    return operations
      .flatMap((operation) =>
        "table" in operation && writes.includes(operation.op) ? [`${operation.op} ${operation.table}`] : [],
      )
      .sort();
  };
  const acls = (): readonly string[] => server.rows(OVN_NB, "ACL").map(({ match }) => match);
  const one = [...rules.slice(0, -1), rule(20, 9000)];
  const changed = await changes({ acls: one }, () => acls().some((match) => match.includes("9000")));
  t.strictSame(changed, ["insert ACL", "mutate Logical_Switch"]);
  const more = await changes({ acls: [...one, rule(21, 9001)] }, () => acls().some((match) => match.includes("9001")));
  t.strictSame(more, ["insert ACL", "mutate Logical_Switch"]);
  const count = acls().length;
  const open = await changes({ allowEWTraffic: true }, () => acls().length > count);
  t.strictSame([...new Set(open)], ["insert ACL", "mutate Logical_Switch"]);
  t.ok(open.length <= 5, open.join());
});
