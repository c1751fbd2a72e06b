// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DNS_SERVICE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { vpcDnsKind } from "../../../src/kinds/vpc-dns.ts";
import { DEPLOYMENTS, SERVICES, VPCS } from "../../../src/kube/resources.ts";
import { useMultus } from "../testing/multus.ts";
import { createNetwork, ovnNetwork } from "../testing/networks.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { idlePod, inPod, remove, run, useNamespace } from "../testing/pods.ts";
import { judged, readiness, useSubnet } from "../testing/subnets.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAME = "weft-vpc-dns";
const VIPS = ["10.96.0.3", "fd00:10:96::3"] as const;
/** The other VPC, in which no DNS server answers. */
const OTHER = "weft-no-dns";
const DNS = { name: "vpc-dns", namespace: "kube-system" };
const { type: VPC_DNSES } = vpcDnsKind;

const COREFILE = `.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa
}
`;

/** Objects that the cluster must have once, see docs/vpc-services.md. */
const PREREQUISITES = [
  { apiVersion: "v1", kind: "ServiceAccount", metadata: DNS },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: DNS.name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:coredns" },
    subjects: [{ kind: "ServiceAccount", ...DNS }],
  },
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { ...DNS, name: "vpc-dns-corefile" },
    data: { Corefile: COREFILE },
  },
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { ...DNS, name: "vpc-dns-config" },
    data: {
      "coredns-vip": VIPS.join(","),
      "enable-vpc-dns": "true",
      "nad-name": "ovn-nad",
      "nad-provider": "ovn-nad.default.ovn",
    },
  },
];

t.test("the DNS of a VPC", { skip: whyNoLab(), timeout: 400_000 }, async (t) => {
  const world = await openWorld(t);
  await useMultus(t, world);
  await useNamespace(t, world, NAME);
  await createNetwork(world, "default", "ovn-nad", ovnNetwork("ovn-nad", "default"));
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: PREREQUISITES });
  await world.lab.kubectl(["apply", "-f", "-"], { input });
  t.teardown(() => world.lab.kubectl(["delete", "-f", "-"], { input }));
  for (const [i, vpc] of [NAME, OTHER].entries()) {
    await world.kube.create(VPCS, { metadata: { name: vpc }, spec: {} });
    t.teardown(() => world.kube.delete(VPCS, { name: vpc }));
    await useSubnet(t, world, `${vpc}-pods`, { vpc, cidrBlock: `10.7${4 + i}.0.0/24,fd00:10:7${4 + i}::/120` });
    await judged(world, `${vpc}-pods`);
  }
  const [dnses, deployments] = [VPC_DNSES, DEPLOYMENTS].map((type) => new Objects(world.kube, type)) as [
    Objects,
    Objects,
  ];
  for (const objects of [dnses, deployments]) {
    await objects.ready();
    t.teardown(() => objects.stop());
  }
  await world.kube.create<Thing>(VPC_DNSES, {
    metadata: { name: NAME },
    spec: { vpc: NAME, subnet: `${NAME}-pods`, replicas: 2 },
    status: {},
  });
  const state = await dnses.until(NAME, "is ready", (dns) => {
    const condition = readiness(dns);
    return condition?.status === "True" ? condition : false;
  });
  t.equal(state.reason, "Ready", state.message);
  t.equal(dnses.get(NAME)?.status.active, true);
  const key = `kube-system/vpc-dns-${NAME}`;
  await deployments.until(key, "has both pods", (made) => made?.status?.readyReplicas === 2, 90_000);

  const [client, foreign] = await run(world, [
    idlePod(NAME, "client", "weft-1", { "ovn.kubernetes.io/logical_switch": `${NAME}-pods` }),
    idlePod(NAME, "foreign", "weft-1", { "ovn.kubernetes.io/logical_switch": `${OTHER}-pods` }),
  ]);
  const lookUp = async (pod: Thing, name: string, type: "A" | "AAAA", server: string): Promise<string> => {
    const command = ["timeout", "5", "busybox", "nslookup", `-type=${type}`, name, server];
    return (await inPod(pod)(command).catch(() => ({ stdout: "" }))).stdout;
  };

  await t.test("pods of the VPC resolve Services at its addresses, both families", async (t) => {
    const name = "kube-dns.kube-system.svc.cluster.local";
    for (const server of VIPS) {
      await until(`${server} answers`, 60_000, async () => (await lookUp(client!, name, "A", server)).includes(name));
      t.match(await lookUp(client!, name, "A", server), `Address: ${DNS_SERVICE.v4}`, server);
      t.match(await lookUp(client!, name, "AAAA", server), `Address: ${DNS_SERVICE.v6}`, server);
    }
  });

  await t.test("it follows changes of Services through its route to the API server", async (t) => {
    const service = await world.kube.create<Thing>(SERVICES, {
      metadata: { name: "late", namespace: NAME },
      spec: { ports: [{ port: 80 }] },
      status: {},
    });
    const name = `late.${NAME}.svc.cluster.local`;
    await until("the new name has an address", 30_000, async () =>
      (await lookUp(client!, name, "A", VIPS[0])).includes(service.spec.clusterIP),
    );
    t.pass();
  });

  await t.test("pods of another VPC get no answer", async (t) => {
    for (const server of VIPS)
      t.notMatch(await lookUp(foreign!, "kube-dns.kube-system.svc.cluster.local", "A", server), DNS_SERVICE.v4, server);
  });

  await t.test("its objects are deleted with it", async () => {
    await world.kube.delete(VPC_DNSES, { name: NAME });
    await deployments.gone(key, 60_000);
    await until("no server answers", 30_000, async () => {
      const answer = await lookUp(client!, "kube-dns.kube-system.svc.cluster.local", "A", VIPS[0]);
      return !answer.includes(DNS_SERVICE.v4);
    });
  });
  await remove(world, NAME, ["client", "foreign"]);
});
