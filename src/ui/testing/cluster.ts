// SPDX-License-Identifier: Apache-2.0

import { hostPrefix, ipFromValue, parseIp } from "../../net/address.ts";
import { cidrContains, cidrSize, parseCidr } from "../../net/cidr.ts";
import type {
  AddressCell,
  AddressMap,
  AddressRow,
  Fill,
  FindHit,
  FlowRow,
  Me,
  NodeDetail,
  Overview,
  PlanAnswer,
  PodDetail,
  PodRow,
  PolicyDetail,
  ReachAnswer,
  ShownProblem,
  SubnetDetail,
  SubnetRow,
  Topology,
  TopologyEdge,
  TopologyNode,
  VpcDetail,
} from "../../page/contract.ts";

/** The time of the fixtures, in ms since 1970. */
export const NOW: number = Date.UTC(2026, 10, 29, 12, 0, 0);

/** How large a cluster of fixtures is. */
export interface Size {
  readonly vpcs: number;
  /** Of each VPC. */
  readonly subnets: number;
  readonly nodes: number;
  readonly pods: number;
  /** Names and messages that look like markup. */
  readonly hostile?: boolean;
  /** Whether something is wrong. */
  readonly problems?: boolean;
}

/** A name that would run a script where it were taken for markup. */
export const HOSTILE = `<img src=x onerror="document.title='taken'">"'&{n}`;

const NAMESPACES = ["shop", "payments", "search", "media", "monitoring"];
const APPS = ["web", "cart", "api", "worker", "db", "cache", "frontend", "mailer"];

/** All answers of a server about one cluster that does not exist. */
export class FixtureCluster {
  readonly pods: readonly PodRow[];
  readonly subnets: readonly SubnetRow[];
  readonly problems: readonly ShownProblem[];
  readonly #size: Size;

  constructor(size: Size) {
    this.#size = size;
    const subnets: SubnetRow[] = [];
    for (let vpc = 0; vpc < size.vpcs; vpc++) {
      for (let n = 0; n < size.subnets; n++) subnets.push(subnetRow(size, vpc, n));
    }
    this.subnets = subnets;
    this.pods = Array.from({ length: size.pods }, (_, n) => podRow(size, subnets, n)).toSorted((a, b) =>
      `${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1,
    );
    this.problems = size.problems === false ? [] : problemsOf(this.subnets, size);
  }

  me(): Me {
    return {
      user: "system:serviceaccount:kube-system:weft-ui",
      clusterWide: true,
      sees: { allNamespaces: true, nodes: true, networks: true },
      namespaces: NAMESPACES.toSorted(),
      actions: { plan: true, flows: true },
      expires: NOW + 3_600_000,
      version: "0.1.0",
    };
  }

  overview(): Overview {
    const { nodes, pods, vpcs } = this.#size;
    return {
      problems: this.problems,
      moreProblems: 0,
      counts: {
        namespaces: NAMESPACES.length,
        pods,
        podsWaiting: this.pods.filter(({ state }) => state === "waiting").length,
        policies: this.policies().length,
        services: 41,
        nodes,
        nodesReady: this.problems.length === 0 ? nodes : nodes - 1,
        subnets: this.subnets.length,
        vpcs,
      },
      parts: [
        { kind: "Deployment", name: "kube-ovn-controller", wanted: 3, ready: 3 },
        { kind: "Deployment", name: "ovn-central", wanted: 3, ready: 3 },
        {
          kind: "DaemonSet",
          name: "kube-ovn-cni",
          wanted: nodes,
          ready: this.problems.length === 0 ? nodes : nodes - 1,
        },
        { kind: "DaemonSet", name: "ovs-ovn", wanted: nodes, ready: nodes },
        { kind: "DaemonSet", name: "kube-ovn-pinger", wanted: nodes, ready: nodes },
      ],
      probes: { failingNodes: 0 },
      leader: { name: "kube-ovn-controller-7d9c6-4xkzq" },
      answeredBy: { name: "kube-ovn-controller-7d9c6-4xkzq", leading: true },
      fullest: this.subnets.toSorted((a, b) => shareOfFirst(b) - shareOfFirst(a)).slice(0, 8),
    };
  }

  topology(): Topology {
    const { vpcs, nodes } = this.#size;
    const shown: TopologyNode[] = [];
    const edges: TopologyEdge[] = [];
    for (let n = 0; n < vpcs; n++) {
      shown.push({ id: `vpc/${vpcName(n)}`, name: vpcName(n), kind: "vpc", isDefault: n === 0, state: "ok" });
      if (n > 1) edges.push({ from: `vpc/${vpcName(n - 1)}`, to: `vpc/${vpcName(n)}`, kind: "peering" });
    }
    for (let n = 0; n < nodes; n++) {
      const bad = n === 1 && this.problems.length > 0;
      shown.push({
        id: `node/${nodeName(n)}`,
        name: nodeName(n),
        kind: "node",
        addresses: [`192.168.10.${n + 10}`],
        pods: Math.round(this.#size.pods / nodes),
        state: bad ? "error" : "ok",
        ...(bad && { problem: "kubelet is not ready" }),
      });
    }
    for (let n = 1; n < vpcs; n += 2) {
      const id = `gateway/nat-${n}`;
      shown.push({ id, name: `nat-${n}`, kind: "gateway", what: "VpcNatGateway", state: "ok" });
    }
    for (const row of this.subnets) {
      const id = `subnet/${row.name}`;
      const pods = this.pods.filter(({ subnet }) => subnet === row.name).length;
      const { name, fill, isDefault, state, problem } = row;
      shown.push({ id, name, kind: "subnet", fill, pods, isDefault, state, ...(problem !== undefined && { problem }) });
      edges.push({ from: id, to: `vpc/${row.vpc}`, kind: "member" });
      const vpc = this.subnets.indexOf(row) / this.#size.subnets;
      if (Math.floor(vpc) % 2 === 1) edges.push({ from: id, to: `gateway/nat-${Math.floor(vpc)}`, kind: "gateway" });
      else if (this.subnets.indexOf(row) % 3 === 0)
        edges.push({ from: id, to: `node/${nodeName(0)}`, kind: "gateway" });
    }
    return { nodes: shown, edges, more: 0 };
  }

  subnet(name: string): SubnetDetail | undefined {
    const row = this.subnets.find((one) => one.name === name);
    return (
      row && {
        ...row,
        gatewayType: "centralized",
        gatewayNodes: [{ name: nodeName(0) }, { name: nodeName(1), problem: "kubelet is not ready" }],
        natOutgoing: true,
        private: false,
        allowSubnets: [],
        vlan: "",
        excludeIps: ["10.16.0.1..10.16.0.10"],
        namespaces: ["shop", "search"],
        pods: this.pods.filter(({ subnet }) => subnet === name).length,
        conditions: [
          {
            type: "Ready",
            status: "True",
            reason: "Accepted",
            message: "the configuration is active",
            since: NOW - 7_200_000,
          },
          { type: "Validated", status: "True", reason: "Validated", message: "", since: NOW - 7_200_000 },
        ],
        events: [
          { type: "Normal", reason: "SubnetReady", message: "the subnet is ready", last: NOW - 7_200_000, count: 1 },
        ],
      }
    );
  }

  addresses(name: string, prefix: string, bits: number): AddressMap | undefined {
    const row = this.subnets.find((one) => one.name === name);
    const whole = parseCidr(prefix);
    if (row === undefined || whole === undefined) return undefined;
    const host = hostPrefix(whole.family);
    const cells = 2 ** (bits - whole.prefix);
    const shift = BigInt(host - bits);
    const found = new Map<number, { used: number; reserved: number; excluded: number }>();
    const addresses: AddressRow[] = [];
    const add = (text: string, state: AddressRow["state"], holder?: string): void => {
      const ip = parseIp(text);
      if (ip === undefined || !cidrContains(whole, ip)) return;
      const index = Number((ip.value - whole.base) >> shift);
      const cell = found.get(index) ?? { used: 0, reserved: 0, excluded: 0 };
      cell[state === "gateway" ? "excluded" : state]++;
      found.set(index, cell);
      if (bits !== host) return;
      const [namespace = "", pod = ""] = holder?.split("/") ?? [];
      addresses.push({
        index,
        address: text,
        state,
        ...(holder !== undefined && {
          holder: { kind: "Pod", namespace, name: pod },
          mac: "0a:58:0a:10:00:0b",
          node: nodeName(0),
        }),
      });
    };
    for (const fill of row.fill) {
      const first = parseCidr(fill.cidr);
      if (first === undefined || first.family !== whole.family) continue;
      add(ipFromValue(first.family, first.base + 1n).text, "gateway");
      for (let n = 2n; n < 10n; n++) add(ipFromValue(first.family, first.base + n).text, "excluded");
      for (let n = 10n; n < 14n; n++) add(ipFromValue(first.family, first.base + n).text, "reserved");
      for (const pod of this.pods) {
        if (pod.subnet !== name) continue;
        for (const address of pod.addresses) add(address, "used", `${pod.namespace}/${pod.name}`);
      }
    }
    const filled = [...found]
      .toSorted(([a], [b]) => a - b)
      .map(([index, counts]): AddressCell => {
        const start = ipFromValue(whole.family, whole.base + (BigInt(index) << shift)).text;
        return { index, prefix: bits === host ? start : `${start}/${bits}`, ...counts };
      });
    return {
      subnet: name,
      family: whole.family === 4 ? "IPv4" : "IPv6",
      prefix: whole.text,
      bits,
      cells,
      cellSize: Number(cidrSize(whole)) / cells,
      filled,
      ...(bits === host && { addresses: addresses.toSorted((a, b) => a.index - b.index) }),
    };
  }

  vpc(name: string): VpcDetail {
    return {
      name,
      isDefault: name === vpcName(0),
      subnets: this.subnets.filter(({ vpc }) => vpc === name),
      peerings: [{ vpc: vpcName(2), local: ["169.254.0.1/30"] }],
      staticRoutes: [{ cidr: "0.0.0.0/0", nextHop: "10.16.0.254", policy: "policyDst" }],
      policyRoutes: [
        { priority: 30_000, match: "ip4.dst == 10.30.0.0/16", action: "reroute", nextHops: ["10.16.0.7"] },
      ],
      state: "ok",
      conditions: [],
      events: [],
    };
  }

  pod(namespace: string, name: string): PodDetail | undefined {
    const row = this.pods.find((one) => one.namespace === namespace && one.name === name);
    return (
      row && {
        ...row,
        vpc: vpcName(0),
        labels: { app: name.split("-")[0] ?? "", tier: this.#size.hostile === true ? HOSTILE : "backend" },
        interfaces: [
          {
            provider: "ovn",
            subnet: row.subnet ?? "",
            addresses: row.addresses,
            mac: "0a:58:0a:10:00:0b",
            port: `${name}.${namespace}`,
            up: row.state === "up",
          },
        ],
        policies: [
          { direction: "ingress", policy: { kind: "NetworkPolicy", namespace, name: "web-from-frontend" } },
          { direction: "egress", policy: { kind: "AdminNetworkPolicy", name: "no-metadata-service" } },
        ],
        securityGroups: [],
        groups: ["pods with app=web in namespace shop"],
        services: [{ kind: "Service", namespace, name: "web" }],
        ports: [{ name: "http", protocol: "TCP", number: 8080 }],
        qos: { ingressMbit: 100 },
        problems: [],
        events: [],
      }
    );
  }

  policies(): readonly PolicyDetail[] {
    const names = NAMESPACES.flatMap((namespace) =>
      ["default-deny", "web-from-frontend", "allow-dns", "db-from-api"].map((name) => ({ namespace, name })),
    );
    const rows = names.map(({ namespace, name }): PolicyDetail => {
      const manifest = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: ${name}\n  namespace: ${namespace}\nspec:\n  podSelector: {}\n`;
      return {
        kind: "NetworkPolicy",
        namespace,
        name,
        pods: 40,
        ingressRules: name === "default-deny" ? 0 : 1,
        egressRules: 0,
        isolates: ["ingress"],
        state: name === "db-from-api" && namespace === "shop" ? "warning" : "ok",
        ...(name === "db-from-api" && namespace === "shop" && { problem: "port name pgsql is on no container" }),
        rules: [
          {
            direction: "ingress",
            path: "spec.ingress[0]",
            action: "allow",
            text: "from pods with app=frontend to TCP/80",
          },
        ],
        members: this.pods.filter((pod) => pod.namespace === namespace).slice(0, 20),
        manifest,
        events: [],
      };
    });
    const admin: PolicyDetail = {
      kind: "AdminNetworkPolicy",
      name: "no-metadata-service",
      pods: this.#size.pods,
      ingressRules: 0,
      egressRules: 1,
      isolates: [],
      priority: 10,
      state: "ok",
      rules: [{ direction: "egress", path: "spec.egress[0]", action: "deny", text: "to 169.254.169.254/32" }],
      members: [],
      events: [],
    };
    return [admin, ...rows];
  }

  nodes(): readonly NodeDetail[] {
    return Array.from({ length: this.#size.nodes }, (_, n): NodeDetail => {
      const bad = n === 1 && this.problems.length > 0;
      return {
        name: nodeName(n),
        ready: !bad,
        state: bad ? "error" : "ok",
        ...(bad && { problem: "kubelet is not ready since 11:48" }),
        internal: [`192.168.10.${n + 10}`, `fd00:10::${(n + 10).toString(16)}`],
        join: [`100.64.0.${n + 2}`],
        chassis: `3f0c1f6e-7d1f-4a0e-9f0a-${String(n).padStart(12, "0")}`,
        pods: Math.round(this.#size.pods / this.#size.nodes),
        zone: `zone-${"abc"[n % 3]}`,
        tunnelAddresses: [`192.168.10.${n + 10}`],
        gatewayOf: n === 0 ? this.subnets.slice(0, 4).map(({ name }) => name) : [],
        problems: [],
        events: [],
      };
    });
  }

  find(text: string): readonly FindHit[] {
    const all: FindHit[] = [
      ...this.subnets.map(
        ({ name, fill }): FindHit => ({
          kind: "Subnet",
          name,
          by: "name",
          detail: fill.map(({ cidr }) => cidr).join(", "),
        }),
      ),
      ...this.pods.map(
        ({ namespace, name, addresses, subnet }): FindHit => ({
          kind: "Pod",
          namespace,
          name,
          by: "name",
          detail: `${addresses.join(", ")} ${subnet ?? ""}`,
        }),
      ),
      ...this.nodes().map(
        ({ name, internal }): FindHit => ({ kind: "Node", name, by: "name", detail: internal.join(", ") }),
      ),
    ];
    return all
      .filter(({ namespace = "", name, detail }) => `${namespace}/${name} ${detail}`.includes(text))
      .slice(0, 50);
  }

  reach(from: string, to: string, port: string): ReachAnswer {
    const hostile = this.#size.hostile === true ? ` ${HOSTILE}` : "";
    return {
      from: `Pod ${from}`,
      to: `Pod ${to}`,
      port,
      verdict: "denied",
      warnings: ["Domain names in policies are resolved by the controller; this answer uses the addresses of 11:59."],
      paths: (["IPv4", "IPv6"] as const).map((family) => ({
        family,
        source: family === "IPv4" ? "10.16.0.14" : "fd00:10:16::e",
        destination: family === "IPv4" ? "10.16.3.7" : "fd00:10:16::307",
        port,
        verdict: "dropped",
        steps: [
          { at: `Pod ${from}`, what: "sends from its address in subnet apps", verdict: "passes" },
          { at: `egress policies of ${from}`, what: "no policy applies: allowed", verdict: "passes" },
          { at: "subnet apps", what: "sends it to its router", verdict: "passes" },
          { at: "router ovn-cluster", what: "routes it to subnet data", verdict: "passes" },
          { at: "tunnel node-1 → node-2", what: "Geneve; node-2 is not Ready", verdict: "unknown" },
          {
            at: `ingress policies of ${to}`,
            what: `NetworkPolicy payments/default-deny denies it${hostile}`,
            verdict: "dropped",
          },
        ],
        droppedBy: "NetworkPolicy payments/default-deny, which isolates the pod for ingress and has no rule for this",
        remedy:
          "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: allow-cart\n  namespace: payments\nspec:\n  podSelector:\n    matchLabels: {app: cart}\n  ingress:\n    - from:\n        - namespaceSelector:\n            matchLabels: {kubernetes.io/metadata.name: shop}\n      ports:\n        - port: 80\n",
        decisions: [
          {
            what: "egress",
            at: from,
            verdict: "allowed",
            because: "no policy applies to the pod in this direction",
            policies: [],
            nearest: [],
          },
          {
            what: "ingress",
            at: to,
            verdict: "denied",
            because: "NetworkPolicy payments/default-deny isolates it, and no rule allows this",
            policies: ["NetworkPolicy payments/default-deny", "NetworkPolicy payments/web-from-frontend"],
            nearest: ["NetworkPolicy payments/web-from-frontend spec.ingress[0] would allow it, but the port is 80"],
            acl: {
              uuid: "6f2c9c0e-4d4e-4b8e-9a10-0d6c1b1f2a3b",
              direction: "to-lport",
              tier: 2,
              priority: 2000,
              action: "drop",
              match: "outport == @np.payments.default-deny && ip",
            },
          },
        ],
      })),
    };
  }

  plan(): PlanAnswer {
    return {
      changes: [
        {
          change: "loses",
          from: "shop/cart-1, shop/cart-2 and 18 more",
          to: "payments/api-1 and 11 more",
          pairs: 240,
          what: "TCP except 80",
          open: "TCP/80",
          because: "NetworkPolicy payments/web-from-frontend spec.ingress[0]",
        },
        {
          change: "loses",
          from: "outside",
          to: "payments/api-1 and 11 more",
          pairs: 12,
          what: "everything",
          open: "nothing",
        },
        {
          change: "gains",
          from: "search/web-1 and 9 more",
          to: "payments/api-1 and 11 more",
          pairs: 120,
          what: "TCP/80",
          open: "TCP/80",
        },
      ],
      more: 0,
      totals: { gaining: 120, losing: 252, pairs: this.#size.pods * (this.#size.pods - 1) },
      notes: ["NetworkPolicy payments/web-from-frontend: port name http is on no container of payments/api-3"],
    };
  }

  flows(): readonly FlowRow[] {
    return Array.from({ length: 60 }, (_, n): FlowRow => {
      const [from, to] = [this.pods[(n * 7) % this.pods.length], this.pods[(n * 13 + 5) % this.pods.length]];
      const end = (pod: PodRow | undefined): FlowRow["from"] => ({
        address: pod?.addresses[0] ?? "203.0.113.9",
        holders: pod === undefined ? [] : [{ kind: "Pod", namespace: pod.namespace, name: pod.name }],
      });
      const dropped = n % 9 === 4;
      const isOutside = n % 11 === 3;
      const at = isOutside ? "egress" : "ingress";
      const namespace = (isOutside ? from : to)?.namespace ?? "shop";
      return {
        from: end(from),
        to: isOutside
          ? { address: "203.0.113.9", holders: [] }
          : n % 11 === 7
            ? { address: "", holders: [], hidden: true }
            : end(to),
        protocol: n % 5 === 0 ? "UDP" : "TCP",
        port: n % 5 === 0 ? 53 : 8080,
        verdict: dropped ? "dropped" : "allowed",
        at,
        policy: `NetworkPolicy ${namespace}/${dropped ? "default-deny" : isOutside ? "to-outside" : "from-frontend"}`,
        rule: dropped ? "default" : `spec.${at}[0]`,
        first: NOW - 60_000 - n * 1_000,
        last: NOW - n * 1_000,
        packets: (n + 1) * 3,
      };
    });
  }
}

function vpcName(n: number): string {
  return n === 0 ? "ovn-cluster" : `tenant-${n}`;
}

function nodeName(n: number): string {
  return `node-${n + 1}`;
}

function subnetRow({ subnets, hostile = false, problems = true }: Size, vpc: number, n: number): SubnetRow {
  const name =
    vpc === 0 && n === 0 ? "ovn-default" : hostile && n === 1 ? HOSTILE : `${vpc === 0 ? "apps" : `t${vpc}`}-${n}`;
  const second = 16 + ((vpc * subnets + n) % 200);
  const used = (n * 37) % 200;
  const full = problems && vpc === 0 && n === 3;
  const v4: Fill = {
    family: "IPv4",
    cidr: n % 4 === 0 ? `10.${second}.0.0/16` : `10.${second}.${n % 250}.0/24`,
    gateway: `10.${second}.0.1`,
    used: full ? 245 : n % 4 === 0 ? used * 100 : used,
    own: used,
    free: full ? 0 : n % 4 === 0 ? 65_000 - used * 100 : 245 - used,
    excluded: 10,
  };
  const v6: Fill = {
    family: "IPv6",
    cidr: `fd00:10:${second}::/64`,
    gateway: `fd00:10:${second}::1`,
    used,
    own: used,
    free: 2 ** 53,
    excluded: 1,
  };
  return {
    name,
    vpc: vpcName(vpc),
    provider: "ovn",
    isDefault: vpc === 0 && n === 0,
    fill: [v4, v6],
    state: full ? "error" : "ok",
    ...(full && { problem: `no address of ${v4.cidr} is free` }),
  };
}

function podRow({ nodes, hostile = false }: Size, subnets: readonly SubnetRow[], n: number): PodRow {
  const namespace = NAMESPACES[n % NAMESPACES.length] ?? "";
  const app = APPS[n % APPS.length] ?? "";
  const subnet = subnets[n % 3 === 0 ? 0 : n % subnets.length];
  const addresses = (subnet?.fill ?? []).flatMap(({ cidr }) => {
    const whole = parseCidr(cidr);
    return whole === undefined
      ? []
      : [ipFromValue(whole.family, whole.base + 20n + (BigInt(n) % (cidrSize(whole) - 30n))).text];
  });
  const state = n % 199 === 7 ? "waiting" : n % 251 === 9 ? "down" : "up";
  return {
    namespace,
    name: hostile && n === 0 ? HOSTILE : `${app}-${n}`,
    addresses: state === "waiting" ? [] : addresses,
    ...(subnet !== undefined && { subnet: subnet.name }),
    node: nodeName(n % nodes),
    state,
    ...(state === "waiting" && { problem: "subnet apps-3 has no free address" }),
  };
}

function shareOfFirst({ fill: [first] }: SubnetRow): number {
  return first === undefined ? 0 : first.used / (first.used + (first.free ?? 0));
}

function problemsOf(subnets: readonly SubnetRow[], { hostile = false }: Size): readonly ShownProblem[] {
  return [
    {
      severity: "error",
      about: { kind: "Node", name: nodeName(1) },
      source: "condition",
      reason: "NodeNotReady",
      message: "kubelet has not reported since 11:48; its 166 pods keep their addresses. Check kubelet on the node.",
      since: NOW - 720_000,
    },
    {
      severity: "error",
      about: { kind: "Subnet", name: subnets.find(({ state }) => state === "error")?.name ?? "apps-3" },
      source: "fill",
      reason: "SubnetFull",
      message: "no address of 10.19.3.0/24 is free; enlarge the subnet, or delete what is not needed",
      since: NOW - 5_400_000,
    },
    {
      severity: "warning",
      about: { kind: "Pod", namespace: "payments", name: hostile ? HOSTILE : "worker-206" },
      source: "event",
      reason: "AcquireAddressFailed",
      message: hostile ? HOSTILE : "subnet apps-3 has no free address; the pod waits until one is released",
      since: NOW - 95_000,
    },
    {
      severity: "warning",
      about: { kind: "NetworkPolicy", namespace: "shop", name: "db-from-api" },
      source: "condition",
      reason: "NamedPortUnknown",
      message: "port name pgsql of spec.ingress[0] is on no container of its pods: the rule allows nothing",
      since: NOW - 86_400_000,
    },
    {
      severity: "warning",
      about: { kind: "DaemonSet", namespace: "kube-system", name: "kube-ovn-cni" },
      source: "part",
      reason: "NotReady",
      message: "29 of 30 pods are ready; node-2 is missing",
      since: NOW - 720_000,
    },
  ];
}
