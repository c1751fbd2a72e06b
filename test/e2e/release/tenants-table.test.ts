// SPDX-License-Identifier: Apache-2.0

import pLimit from "p-limit";
import t from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { addressOf, EXTERNAL, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { type Exec, http, urlHost } from "../../../hack/traffic/probe.ts";
import { switchLbRuleKind } from "../../../src/kinds/switch-lb-rule.ts";
import { SERVICES, VIPS, VPCS } from "../../../src/kube/resources.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, inNode, inPod, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { judged, readiness, useSubnet } from "../testing/subnets.ts";
import {
  CLIENTS,
  type Client,
  FAR,
  KINDS,
  mustReach,
  NAMED,
  NEAR,
  type SubnetKind,
  TENANT,
  WAYS,
  type Way,
} from "../testing/tenants-table.ts";
import { openWorld, syncNodes, whyNoLab } from "../testing/world.ts";

const NAME = "weft-table";
const OTHER = `${NAME}-other`;
const FAMILIES = ["v4", "v6"] as const;
type Family = (typeof FAMILIES)[number];

const nameOf = ({ name }: SubnetKind): string => `${NAME}-${name}-net`;
const cidrOf = (net: number): string => `10.${net}.0.0/24,fd00:10:${net}::/120`;
const within = (subnet: string) => ({ "ovn.kubernetes.io/logical_switch": subnet });
const vipOf = ({ net }: SubnetKind) => ({ v4: `10.${net}.0.50`, v6: `fd00:10:${net}::32` });
const externalOf = ({ net }: SubnetKind) => ({ v4: `192.0.2.${net}`, v6: `2001:db8:77::${net}` });
const balancedOf = ({ net }: SubnetKind) => ({ v4: `198.51.100.${net}`, v6: `2001:db8:78::${net}` });
const keptOf = ({ net }: SubnetKind) => ({ v4: `198.51.100.${net + 100}`, v6: `2001:db8:79::${net}` });
const inFamily = (addresses: readonly string[], family: Family): string =>
  addresses.find((address) => address.includes(":") === (family === "v6")) ?? "(none)";

/** One cell in one family. */
interface Cell {
  readonly text: string;
  readonly from: Exec;
  readonly url: string;
  /** The endpoint's name, as in its answer, to distinguish it from another pod with the same address. */
  readonly expect: string;
  readonly reach: boolean;
}

t.test("clients and Services of all kinds of subnets", { skip: whyNoLab(), timeout: 540_000 }, async (t) => {
  const world = await openWorld(t);
  await useNamespace(t, world, NAME);
  for (const name of [TENANT, OTHER]) {
    await world.kube.create(VPCS, { metadata: { name }, spec: {} });
    t.teardown(() => world.kube.delete(VPCS, { name }));
  }
  const far = inNode(world, FAR);
  for (const address of Object.values(NAMED)) {
    // Deprecated, because the kernel masquerades with the newest IPv6 address and would use it for other subnets too.
    const lifetime = address.includes(":") ? ["nodad", "preferred_lft", "0"] : [];
    await far(["ip", "address", "replace", address, "dev", "eth0", ...lifetime]);
    t.teardown(async () => void (await far(["ip", "address", "delete", address, "dev", "eth0"])));
  }
  for (const kind of KINDS) {
    const { net, vpc, spec } = kind;
    await useSubnet(t, world, nameOf(kind), { cidrBlock: cidrOf(net), ...(vpc && { vpc }), ...spec });
  }
  // The other VPC has the tenant's range.
  const other = `${OTHER}-net`;
  await useSubnet(t, world, other, { cidrBlock: cidrOf(85), vpc: OTHER });
  await Promise.all([...KINDS.map(nameOf), other].map((name) => judged(world, name)));
  const ext = inNode(world, OUTSIDE);
  const route = async (to: string, node: string): Promise<void> => {
    const [ip, via] = to.includes(":") ? ["-6", addressOf(node).v6] : ["-4", addressOf(node).v4];
    await ext(["ip", ip, "route", "replace", to, "via", via]);
    t.teardown(async () => void (await ext(["ip", ip, "route", "delete", to])));
  };
  for (const kind of KINDS) {
    for (const range of cidrOf(kind.net).split(",")) await route(range, kind.by ?? NEAR);
    for (const addresses of [externalOf, balancedOf, keptOf])
      for (const address of Object.values(addresses(kind))) await route(address, NEAR);
  }

  const manifests = [
    ...KINDS.flatMap((kind) => [
      webPod(NAME, `${kind.name}-web`, NEAR, within(nameOf(kind))),
      idlePod(NAME, `${kind.name}-near`, NEAR, within(nameOf(kind))),
      idlePod(NAME, `${kind.name}-far`, FAR, within(nameOf(kind))),
    ]),
    idlePod(NAME, "other", NEAR, {
      ...within(other),
      "ovn.kubernetes.io/ip_address": "10.85.0.200,fd00:10:85::c8",
    }),
  ];
  const pods = new Map((await run(world, manifests, 120_000)).map((pod) => [pod.metadata.name, pod]));
  const pod = (name: string): Thing => {
    const found = pods.get(name);
    if (found === undefined) throw new Error(`there is no pod ${name}`);
    return found;
  };

  const rules = new Objects(world.kube, switchLbRuleKind.type);
  await rules.ready();
  t.teardown(() => rules.stop());
  const services = new Map<string, Thing>();
  const makeService = async (name: string, kind: SubnetKind, spec: object): Promise<void> => {
    const service = await world.kube.create<Thing>(SERVICES, {
      metadata: { name, namespace: NAME },
      spec: {
        ipFamilyPolicy: "RequireDualStack",
        selector: { app: `${kind.name}-web` },
        ports: [{ port: 80, targetPort: 8080 }],
        ...spec,
      },
      status: {},
    });
    services.set(name, service);
  };
  const makeBalanced = async (
    name: string,
    kind: SubnetKind,
    addresses: readonly string[],
    spec: object,
  ): Promise<void> => {
    await makeService(name, kind, { type: "LoadBalancer", ...spec });
    const body = { status: { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } } };
    await world.kube.patch(SERVICES, { namespace: NAME, name }, { type: "merge", body }, { subresource: "status" });
  };
  await Promise.all(
    KINDS.map(async (kind) => {
      const [external, balanced, kept] = [externalOf, balancedOf, keptOf].map((of) => Object.values(of(kind)));
      await makeBalanced(kind.name, kind, balanced ?? [], { externalIPs: external });
      await makeBalanced(`${kind.name}-kept`, kind, kept ?? [], { externalTrafficPolicy: "Local" });
      await makeService(`${kind.name}-local`, kind, { internalTrafficPolicy: "Local" });
      const name = `${NAME}-${kind.name}`;
      const { v4, v6 } = vipOf(kind);
      await world.kube.create<Thing>(VIPS, {
        metadata: { name },
        spec: { subnet: nameOf(kind), type: "switch_lb_vip", v4ip: v4, v6ip: v6 },
        status: {},
      });
      t.teardown(() => world.kube.delete(VIPS, { name }));
      await world.kube.create<Thing>(switchLbRuleKind.type, {
        metadata: { name },
        spec: {
          vip: `${v4},${v6}`,
          namespace: NAME,
          selector: [`app:${kind.name}-web`],
          ports: [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }],
        },
        status: {},
      });
      t.teardown(() => world.kube.delete(switchLbRuleKind.type, { name }));
      await rules.until(name, "is ready", (rule) => readiness(rule)?.status === "True");
    }),
  );

  interface From {
    readonly name: string;
    readonly kind?: SubnetKind["name"];
    readonly exec: Exec;
  }
  const execs = new Map<Client, readonly From[]>();
  const add = (client: Client, from: From): void => void execs.set(client, [...(execs.get(client) ?? []), from]);
  for (const { name: kind, vpc } of KINDS) {
    for (const side of ["near", "far"] as const) {
      const name = `${kind}-${side}`;
      add(vpc === undefined ? side : `tenant-${side}`, { name, kind, exec: inPod(pod(name)) });
    }
  }
  add("other", { name: "other", exec: inPod(pod("other")) });
  for (const space of [NEAR, FAR, OUTSIDE] as const) add(space, { name: space, exec: inNode(world, space) });

  const urlsOf = (kind: SubnetKind, family: Family): Readonly<Record<Way, string>> => {
    const [service, local, kept] = ["", "-local", "-kept"].map((suffix) => services.get(`${kind.name}${suffix}`)?.spec);
    const url = (address: string, port: number): string => `http://${urlHost(address)}:${port}/hostname`;
    const [port, keptPort] = [service, kept].map((spec): number => spec.ports[0].nodePort) as [number, number];
    return {
      pod: url(inFamily(addressesOf(pod(`${kind.name}-web`)), family), 8080),
      clusterIP: url(inFamily(service.clusterIPs, family), 80),
      "internal Local": url(inFamily(local.clusterIPs, family), 80),
      externalIP: url(externalOf(kind)[family], 80),
      "load balancer": url(balancedOf(kind)[family], 80),
      "nodePort near": url(addressOf(NEAR)[family], port),
      "nodePort far": url(addressOf(FAR)[family], port),
      "Local load balancer": url(keptOf(kind)[family], 80),
      "Local nodePort near": url(addressOf(NEAR)[family], keptPort),
      "Local nodePort far": url(addressOf(FAR)[family], keptPort),
      rule: url(vipOf(kind)[family], 80),
    };
  };
  const kubeProxy = openLab().settings?.kubeProxy !== false;
  const cells: Cell[] = [];
  for (const kind of KINDS) {
    for (const family of FAMILIES) {
      const urls = urlsOf(kind, family);
      for (const way of WAYS) {
        for (const client of CLIENTS) {
          for (const { name, kind: from, exec } of execs.get(client) ?? []) {
            const reach = mustReach({ client, from, to: kind, way, kubeProxy });
            if (reach === undefined) continue;
            const text = `${name} to ${kind.name} by ${way}, ${family}`;
            cells.push({ text, from: exec, url: urls[way], expect: `${kind.name}-web`, reach });
          }
        }
      }
    }
  }

  const limit = pLimit(24);
  await syncNodes(world);
  await t.test("connections that must succeed", async (t) => {
    const positive = cells.filter(({ reach }) => reach);
    const failing = await Promise.all(
      positive.map((cell) =>
        limit(async () => {
          let last = "";
          // kube-proxy needs some time to process a Service, and reports no event.
          const reached = async (): Promise<boolean> => {
            const { ok, detail } = await http(cell.from, cell.url, cell.expect);
            last = detail;
            return ok;
          };
          return until(cell.text, 15_000, reached).then(
            () => [],
            () => [`${cell.text} does not reach ${cell.url}: ${last}`],
          );
        }),
      ),
    );
    t.same(failing.flat(), [], `all of ${positive.length} cells`);
  });

  // After the others, so that an unreachable address is not caused by lack of time.
  await t.test("connections that must fail", async (t) => {
    const negative = cells.filter(({ reach }) => !reach);
    const failing = await Promise.all(
      negative.map((cell) =>
        limit(async () => {
          const { ok, detail } = await http(cell.from, cell.url, cell.expect);
          return ok ? [`${cell.text} reaches ${cell.url}: ${detail}`] : [];
        }),
      ),
    );
    t.same(failing.flat(), [], `all of ${negative.length} cells`);
  });

  await t.test("the source address that an outside host sees", async (t) => {
    const ways = KINDS.flatMap((kind) =>
      (["near", "far"] as const).flatMap((side) => FAMILIES.map((family) => ({ kind, side, family }))),
    );
    const failing = await Promise.all(
      ways.map(async ({ kind, side, family }) => {
        const client = pod(`${kind.name}-${side}`);
        const own = inFamily(addressesOf(client), family);
        const node = addressOf(kind.by ?? client.spec.nodeName)[family];
        const either = [NEAR, FAR].map((name) => addressOf(name)[family]);
        const expected: readonly string[] = {
          nat: [node],
          plain: [own],
          central: [node],
          named: [NAMED[family]],
          ecmp: either,
          tenant: [""],
        }[kind.name];
        if (kind.name === "plain") await route(own, client.spec.nodeName);
        let [seen, detail] = ["", ""];
        const answered = async (): Promise<boolean> => {
          const result = await http(inPod(client), `http://${urlHost(EXTERNAL[family])}/`);
          detail = result.detail;
          if (result.ok) seen = detail.trim();
          return result.ok || expected.includes("");
        };
        await until(`an answer to ${client.metadata.name}`, 20_000, answered).catch(() => {});
        return expected.includes(seen) ? [] : [`${client.metadata.name}, ${family}: "${detail}", not "${expected}"`];
      }),
    );
    t.same(failing.flat(), [], `all of ${ways.length} ways`);
  });
  await remove(world, NAME, [...pods.keys()]);
});
