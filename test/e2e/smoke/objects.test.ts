// SPDX-License-Identifier: Apache-2.0

import { existsSync, readFileSync } from "node:fs";
import t from "tap";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, STANDING, standingPods } from "../testing/pods.ts";
import { inContainer, PROGRAM, requireProcess } from "../testing/processes.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const FINALIZER = "kubeovn.io/kube-ovn-controller";
const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;

let world: World;

/** A table of kubectl as rows of columns; the columns are two spaces or more apart. */
async function table(...args: string[]): Promise<readonly (readonly string[])[]> {
  const { stdout } = await world.lab.kubectl(["get", ...args, "--no-headers"]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s{2,}/));
}

/** The annotations `ovn.kubernetes.io/*` of an object. */
function annotations({ metadata }: Thing): Readonly<Record<string, string>> {
  const prefix = "ovn.kubernetes.io/";
  const all = Object.entries(metadata.annotations ?? {});
  return Object.fromEntries(
    all.flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
  );
}

function conditions({ status }: Thing): Readonly<Record<string, unknown>> {
  const list: readonly Readonly<Record<string, unknown>>[] = status.conditions;
  return Object.fromEntries(list.map((condition) => [condition["type"], condition["status"]]));
}

t.test("objects in Kubernetes and OVN are those of Kube-OVN", { skip: whyNoLab() }, async (t) => {
  world = await openWorld(t);
  const [pod] = await standingPods(world);
  const { name } = pod!.metadata;
  const node: string = pod!.spec.nodeName;
  const [v4, v6] = addressesOf(pod!);

  await t.test("a pod's annotations show its allocation, and its status has the same addresses", async (t) => {
    t.match(annotations(pod!)["mac_address"], MAC);
    t.strictSame(annotations(pod!), {
      allocated: "true",
      routed: "true",
      ip_address: `${v4},${v6}`,
      mac_address: annotations(pod!)["mac_address"],
      cidr: "10.16.0.0/16,fd00:10:16::/112",
      gateway: "10.16.0.1,fd00:10:16::1",
      logical_switch: "ovn-default",
      logical_router: "ovn-cluster",
      pod_nic_type: "veth-pair",
    });
  });

  await t.test("an IP object records the addresses of each pod and node", async (t) => {
    const mac = annotations(pod!)["mac_address"];
    const key = `${name}.${STANDING}`;
    t.match(world.ips.get(key), {
      metadata: {
        finalizers: [FINALIZER],
        labels: {
          "ovn.kubernetes.io/subnet": "ovn-default",
          "ovn.kubernetes.io/node-name": node,
          "ovn.kubernetes.io/ip_reserved": "false",
          "ovn-default": "",
        },
      },
      spec: {
        podName: name,
        namespace: STANDING,
        nodeName: node,
        subnet: "ovn-default",
        ipAddress: `${v4},${v6}`,
        v4IpAddress: v4,
        v6IpAddress: v6,
        macAddress: mac,
        podType: "",
      },
    });
    t.strictSame(await table("ips.kubeovn.io", key), [[key, v4, v6, mac, node, "ovn-default"]]);
    for (const each of world.lab.nodes)
      t.match(world.ips.get(`node-${each}`), { spec: { subnet: "join", podName: each } });
    const kept = world.pods
      .values()
      .filter(({ spec, status }) => spec.hostNetwork !== true && status.podIP !== undefined);
    t.equal(world.ips.values().length, kept.length + world.lab.nodes.length, "and there are no others");
  });

  await t.test("a node's annotations say where it joins the default VPC, and its network is available", async (t) => {
    for (const each of world.lab.nodes) {
      const object = world.nodes.get(each)!;
      const { v4IpAddress, v6IpAddress, macAddress } = world.ips.get(`node-${each}`)!.spec;
      t.strictSame(annotations(object), {
        allocated: "true",
        ip_address: `${v4IpAddress},${v6IpAddress}`,
        mac_address: macAddress,
        cidr: "100.64.0.0/16,fd00:100:64::/112",
        gateway: "100.64.0.1,fd00:100:64::1",
        logical_switch: "join",
        port_name: `node-${each}`,
        chassis: annotations(object)["chassis"],
      });
      t.match(annotations(object)["chassis"], /^[0-9a-f-]{36}$/);
      t.match(conditions(object), { NetworkUnavailable: "False", Ready: "True" });
    }
  });

  await t.test("a namespace's annotations name its subnet", async (t) => {
    t.match(annotations(world.namespaces.get(STANDING)!), {
      logical_switch: "ovn-default",
      cidr: "10.16.0.0/16,fd00:10:16::/112",
    });
  });

  await t.test(
    "a subnet's status has conditions and counters, and kubectl prints them in Kube-OVN's columns",
    async (t) => {
      for (const subnet of ["ovn-default", "join"]) {
        const using = world.ips.values().filter(({ spec }) => spec.subnet === subnet).length;
        const object = await world.subnets.until(subnet, `counts ${using} addresses`, (object) =>
          object?.status?.v4usingIPs === using ? object : false,
        );
        t.match(object, {
          metadata: { finalizers: [FINALIZER] },
          status: {
            v4usingIPs: using,
            v6usingIPs: using,
            v4availableIPs: 65533 - using,
            v6availableIPs: 65533 - using,
          },
        });
        t.strictSame(conditions(object), { Validated: "True", Ready: "True" });
      }
      const default_ = world.subnets.get("ovn-default")!;
      const { v4usingIPs, v4availableIPs, v6usingIPs, v6availableIPs } = default_.status;
      // VLAN, PRIVATE and the interconnection's address are empty.
      t.strictSame(await table("subnet", "ovn-default"), [
        [
          "ovn-default",
          "ovn",
          "ovn-cluster",
          "Dual",
          "10.16.0.0/16,fd00:10:16::/112",
          "true",
          "true",
          "distributed",
          ...[v4usingIPs, v4availableIPs, v6usingIPs, v6availableIPs].map(String),
          '["10.16.0.1","fd00:10:16::1"]',
        ],
      ]);
    },
  );

  await t.test("the default VPC names its router and its subnets", async (t) => {
    t.match(world.vpcs.get("ovn-cluster"), {
      metadata: { finalizers: [FINALIZER] },
      status: { standby: true, default: true, router: "ovn-cluster", defaultLogicalSwitch: "ovn-default" },
    });
    const { subnets } = world.vpcs.get("ovn-cluster")!.status as { subnets: readonly string[] };
    for (const subnet of ["join", "ovn-default"]) t.ok(subnets.includes(subnet), `${subnet} is in it`);
  });

  await t.test("the northbound database has Kube-OVN's names, and each row is marked with its owner", async (t) => {
    const { nb } = world;
    const port = nb.port(`${name}.${STANDING}`)!;
    t.match(port, {
      addresses: [`${annotations(pod!)["mac_address"]} ${v4} ${v6}`],
      external_ids: { vendor: "kube-ovn", ls: "ovn-default", pod: `${STANDING}/${name}` },
    });
    const dotted = node.replaceAll("-", ".");
    t.ok(nb.group(`node.${dotted}`)?.ports.includes(port._uuid), "it is in the port group of its node");
    for (const [table, wanted] of [
      ["Logical_Switch", ["join", "ovn-default"]],
      ["Logical_Router", ["ovn-cluster"]],
      ["Logical_Router_Port", ["ovn-cluster-join", "ovn-cluster-ovn-default"]],
    ] as const) {
      const names = [...nb.mirror.rows(table)].map((row) => row.name);
      for (const name of wanted) t.ok(names.includes(name), `there is a ${table} ${name}`);
    }
    for (const each of ["join-ovn-cluster", "ovn-default-ovn-cluster", "node-weft-1", "node-weft-2"])
      t.ok(nb.port(each), `there is a port ${each}`);
    const policies = [...nb.mirror.rows("Logical_Router_Policy")];
    t.strictSame(
      new Set(policies.map(({ priority }) => priority)),
      new Set([29000, 30000, 30500, 30600, 31000, 32766, 32767]),
    );
    for (const row of [...policies, ...nb.mirror.rows("Port_Group"), ...nb.mirror.rows("Logical_Switch")])
      t.equal(row.external_ids["vendor"], "kube-ovn");
  });

  await t.test("the workloads and Services carry the names that tools look for", async (t) => {
    const { stdout } = await world.lab.kubectl([
      ...["-n", "kube-system", "get", "daemonset,deployment,service", "-o"],
      'jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.labels.app}{"\\n"}{end}',
    ]);
    for (const wanted of [
      "DaemonSet/ovs-ovn ovs",
      "DaemonSet/kube-ovn-cni kube-ovn-cni",
      "Deployment/kube-ovn-controller kube-ovn-controller",
      "Deployment/ovn-central ovn-central",
    ])
      t.match(stdout, `${wanted}\n`);
    for (const wanted of ["Service/ovn-nb", "Service/ovn-sb"]) t.match(stdout, wanted);
  });

  await t.test("the plan of a cluster at rest is empty", async (t) => {
    const [controller] = world.own("kube-ovn-controller");
    const { pid } = requireProcess(controller!.metadata.uid, PROGRAM.controller);
    const read = (file: string): readonly string[] =>
      readFileSync(`/proc/${pid}/${file}`, "utf8")
        .split("\0")
        .filter((text) => text !== "");
    const command = ["env", "-i", ...read("environ"), ...read("cmdline"), "plan"];
    const { stdout } = await inContainer(controller!.metadata.uid, PROGRAM.controller, command);
    t.equal(stdout.trim(), "Nothing to do: the northbound database is as it should be.");
  });

  await t.test("the image has the tools that an administrator expects", async (t) => {
    const tools =
      "bash ip curl traceroute arping ndisc6 tcpdump iptables ip6tables ipset nft ovs-vsctl ovs-ofctl ovs-appctl ovs-dpctl ovn-nbctl ovn-sbctl ovn-trace ovn-appctl ovsdb-client ovsdb-tool weftctl";
    const script = `for tool in ${tools}; do command -v $tool >/dev/null || echo $tool; done`;
    const [ovs] = world.own("ovs", node);
    const { stdout } = await inContainer(ovs!.metadata.uid, PROGRAM.vswitchd, ["sh", "-c", script]);
    t.equal(stdout, "", "none is missing");
  });

  await t.test("each node has the datapath that its kernel allows", async (t) => {
    const kernel = existsSync("/sys/module/openvswitch");
    for (const each of world.lab.nodes) {
      const bridge = [...world.ovs(each).mirror.rows("Bridge")].find((row) => row.name === "br-int");
      t.equal(bridge?.datapath_type, kernel ? "system" : "netdev", each);
    }
  });

  await t.test("neither process has privileges that it does not need", async (t) => {
    const may = async (account: string, ...what: string[]): Promise<string> => {
      const as = `--as=system:serviceaccount:kube-system:${account}`;
      const { stdout } = await world.lab.kubectl(["auth", "can-i", ...what, as], { allowFailure: true });
      return stdout.trim();
    };
    const accounts = [...world.own("kube-ovn-controller"), ...world.own("kube-ovn-cni", node)];
    for (const { spec } of accounts) {
      for (const what of [
        ["get", "secrets"],
        ["delete", "pods"],
        ["create", "pods"],
        ["delete", "nodes"],
        ["*", "*"],
      ])
        t.equal(await may(spec.serviceAccountName, ...what), "no", `${spec.serviceAccountName}: ${what.join(" ")}`);
      t.equal(await may(spec.serviceAccountName, "watch", "pods"), "yes");
    }
  });

  await t.test("the Lease shows who leads", async (t) => {
    const leaders = world.own("kube-ovn-controller").map(({ metadata }) => metadata.name);
    const { stdout } = await world.lab.kubectl([
      "-n",
      "kube-system",
      "get",
      "lease",
      "kube-ovn-controller",
      "-o",
      "json",
    ]);
    const { spec } = JSON.parse(stdout);
    t.ok(leaders.includes(spec.holderIdentity), `${spec.holderIdentity} is one of ${leaders}`);
    const age = Date.now() - Date.parse(spec.renewTime);
    t.ok(age < spec.leaseDurationSeconds * 1000, `it was renewed ${age} ms ago`);
  });
});
