// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { switchLbRuleKind } from "../../../src/kinds/switch-lb-rule.ts";
import { SERVICES, VIPS, VPCS } from "../../../src/kube/resources.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { idlePod, inPod, type PodManifest, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { answeredBy } from "../testing/reachable.ts";
import { judged, readiness, useSubnet } from "../testing/subnets.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

t.setTimeout(400_000);

const NAME = "weft-slr";
const OTHER = "weft-slr-other";
const NEAR = { cidrBlock: "10.72.0.0/24,fd00:10:72::/120" };
const VIP = { v4ip: "10.72.0.50", v6ip: "fd00:10:72::50" };
const ADDRESSES = [VIP.v4ip, VIP.v6ip];
const { type: RULES } = switchLbRuleKind;

const labelled = (pod: PodManifest): PodManifest => ({ ...pod, metadata: { ...pod.metadata, labels: { web: "yes" } } });
const within = (subnet: string) => ({ "ovn.kubernetes.io/logical_switch": subnet });

/** Waits until each address of the rule's load balancer has this number of endpoints, and nodes have applied that. */
async function balanced(world: World, endpoints: number): Promise<void> {
  await world.nb.until(`the rule has ${endpoints} endpoints`, () => {
    const row = [...world.nb.mirror.rows("Load_Balancer")].find(({ name }) => name === `${NAME}/slr-${NAME}/tcp`);
    const lists = Object.values(row?.vips ?? {});
    return lists.length === 2 && lists.every((list) => list.split(",").filter(Boolean).length === endpoints);
  });
  await syncNodes(world);
}

async function useVpc(t: Test, world: World, name: string): Promise<void> {
  await world.kube.create(VPCS, { metadata: { name }, spec: {} });
  t.teardown(() => world.kube.delete(VPCS, { name }));
}

t.test("load balancers of a VPC", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  await useNamespace(t, world, NAME);
  for (const vpc of [NAME, OTHER]) await useVpc(t, world, vpc);
  await useSubnet(t, world, `${NAME}-near`, { ...NEAR, vpc: NAME });
  await useSubnet(t, world, `${NAME}-far`, { cidrBlock: "10.73.0.0/24,fd00:10:73::/120", vpc: NAME });
  // Deliberately the same range: VPCs do not see each other's addresses.
  await useSubnet(t, world, `${OTHER}-pods`, { ...NEAR, vpc: OTHER });
  for (const subnet of [`${NAME}-near`, `${NAME}-far`, `${OTHER}-pods`]) await judged(world, subnet);
  const [rules, services] = [new Objects(world.kube, RULES), new Objects(world.kube, SERVICES)];
  for (const objects of [rules, services]) {
    await objects.ready();
    t.teardown(() => objects.stop());
  }
  await world.kube.create<Thing>(VIPS, {
    metadata: { name: NAME },
    spec: { subnet: `${NAME}-near`, type: "switch_lb_vip", ...VIP },
    status: {},
  });
  t.teardown(() => world.kube.delete(VIPS, { name: NAME }));
  const near = within(`${NAME}-near`);
  const backends = await run(world, [
    labelled(webPod(NAME, "one", "weft-1", near)),
    labelled(webPod(NAME, "two", "weft-2", near)),
  ]);
  const [sameNode, otherNode, otherSubnet, otherVpc] = await run(world, [
    idlePod(NAME, "same-1", "weft-1", near),
    idlePod(NAME, "same-2", "weft-2", near),
    idlePod(NAME, "far", "weft-1", within(`${NAME}-far`)),
    idlePod(NAME, "foreign", "weft-1", within(`${OTHER}-pods`)),
  ]);
  await world.kube.create<Thing>(RULES, {
    metadata: { name: NAME },
    spec: {
      vip: ADDRESSES.join(","),
      namespace: NAME,
      selector: ["web:yes"],
      ports: [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }],
    },
    status: {},
  });
  const state = await rules.until(NAME, "is ready", (rule) => {
    const condition = readiness(rule);
    return condition?.status === "True" ? condition : false;
  });
  t.equal(state.reason, "Ready", state.message);
  t.match(rules.get(NAME)?.status, { ports: "80/TCP", service: `${NAME}/slr-${NAME}` });
  await balanced(world, 2);

  const url = (address: string): string => `http://${urlHost(address)}/hostname`;
  await t.test("pods of its VPC reach it, in its own subnet and in others; pods of another VPC do not", async (t) => {
    for (const address of ADDRESSES) {
      for (const client of [sameNode!, otherNode!, otherSubnet!, ...backends]) {
        const found = new Set<string>();
        const all = async (): Promise<boolean> => {
          const answers = await Promise.all(Array.from({ length: 12 }, () => http(inPod(client), url(address))));
          for (const { detail } of answers) found.add(detail);
          return found.size >= 2;
        };
        // The endpoint of a connection is chosen at random.
        await until(`${client.metadata.name} reaches both endpoints by ${address}`, 30_000, all);
        t.same([...found].sort(), ["one", "two"], `${client.metadata.name} by ${address}`);
      }
      t.notOk((await http(inPod(otherVpc!), url(address))).ok, `the other VPC by ${address}`);
    }
  });

  await t.test(
    "an endpoint that does not answer any more is removed by its health check, and added again",
    async () => {
      const monitors = () =>
        world.lab.kubectl([
          ...["-n", "kube-system", "exec", "deploy/ovn-central", "--"],
          ...["ovn-sbctl", "--bare", "--columns=ip,status", "list", "Service_Monitor"],
        ]);
      const all = async (wanted: string): Promise<boolean> => {
        const { stdout } = await monitors();
        return stdout.split(/\s+/).filter((word) => word === wanted).length === 4;
      };
      await until("both are checked at their addresses of both families", 60_000, () => all("online"));
      const alone = async (address: string): Promise<boolean> => {
        const answers = await Promise.all(Array.from({ length: 8 }, () => http(inPod(sameNode!), url(address))));
        return answers.every(({ ok, detail }) => ok && detail === "two");
      };
      const block = (verb: string) =>
        Promise.all(
          ["iptables", "ip6tables"].map((tool) =>
            inPod(backends[0]!)([tool, verb, "INPUT", "-p", "tcp", "--dport", "8080", "-j", "DROP"]),
          ),
        );
      await block("-I");
      for (const address of ADDRESSES)
        await until(`only the other one answers by ${address}`, 90_000, () => alone(address));
      await block("-D");
      await until("both are online again", 60_000, () => all("online"));
      for (const address of ADDRESSES)
        await until(`both answer by ${address}`, 20_000, async () => !(await alone(address)));
    },
  );

  await t.test("with affinity a client keeps its endpoint", async (t) => {
    const body = { spec: { sessionAffinity: "ClientIP" } };
    await world.kube.patch(RULES, { name: NAME }, { type: "merge", body });
    await world.nb.until("it has affinity", () =>
      [...world.nb.mirror.rows("Load_Balancer")].some(
        ({ name, options }) => name === `${NAME}/slr-${NAME}/tcp` && options["affinity_timeout"] !== undefined,
      ),
    );
    await balanced(world, 2);
    for (const address of ADDRESSES) {
      const client = inPod(sameNode!);
      const first = await until(`${address} answers`, 30_000, async () => {
        const result = await http(client, url(address));
        return result.ok && result.detail;
      });
      for (let i = 0; i < 5; i++) await t.resolves(answeredBy(client, url(address), first), `${first} again`);
    }
    await world.kube.patch(RULES, { name: NAME }, { type: "merge", body: { spec: { sessionAffinity: "None" } } });
  });

  await t.test("the Service and the load balancer are deleted with the rule", async (t) => {
    await world.kube.delete(RULES, { name: NAME });
    await rules.gone(NAME);
    await world.nb.until("its load balancer is gone", () =>
      [...world.nb.mirror.rows("Load_Balancer")].every(({ name }) => !name.startsWith(`${NAME}/`)),
    );
    // It is deleted after the rows.
    await services.gone(`${NAME}/slr-${NAME}`);
    const left = await world.kube.list<Thing>(SERVICES, { namespace: NAME });
    t.same(left.items, []);
    await until("no endpoint answers", 30_000, async () => !(await http(inPod(sameNode!), url(VIP.v4ip))).ok);
  });
  await remove(world, NAME, ["one", "two", "same-1", "same-2", "far", "foreign"]);
});
