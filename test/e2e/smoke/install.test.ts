// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { RELEASE_NAMESPACE } from "../../../hack/deploy/values.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { linksOf } from "../../../hack/lab/topology.ts";

const progress = createProgress();
const lab = openLab(progress);
const skip = lab.settings?.cni === "weft" ? false : 'there is no lab with Weft; "npm run lab -- up" makes one';

// biome-ignore lint/suspicious/noExplicitAny: tests look into objects of every kind.
type Any = any;

async function get(...args: readonly string[]): Promise<Any> {
  return JSON.parse((await lab.kubectl([`--namespace=${RELEASE_NAMESPACE}`, "get", ...args, "--output=json"])).stdout);
}

async function podOn(node: string, app: string): Promise<string> {
  const { items } = await get("pods", `--selector=app=${app}`, `--field-selector=spec.nodeName=${node}`);
  return items[0].metadata.name;
}

/** Runs a command in the container of a workload or pod; its output without the last newline. */
async function exec(what: string, ...command: readonly string[]): Promise<string> {
  return (await lab.kubectl([`--namespace=${RELEASE_NAMESPACE}`, "exec", what, "--", ...command])).stdout.trimEnd();
}

/** uid and restarts of every container of Weft: unchanged as long as none was replaced or restarted. */
async function lives(): Promise<readonly string[]> {
  const { items } = await get("pods", "--selector=component=network");
  return items
    .flatMap((pod: Any) =>
      pod.status.containerStatuses.map(
        (status: Any) => `${pod.metadata.name} ${pod.metadata.uid} ${status.restartCount}`,
      ),
    )
    .sort();
}

await t.test("the four workloads are ready under Kube-OVN's names", { skip }, async (t) => {
  const nodes = lab.nodes.length;
  for (const name of ["ovs-ovn", "kube-ovn-cni"]) {
    t.match((await get("daemonset", name)).status, { desiredNumberScheduled: nodes, numberReady: nodes }, name);
  }
  for (const name of ["ovn-central", "kube-ovn-controller"]) {
    t.match((await get("deployment", name)).status, { readyReplicas: 1 }, name);
  }
  for (const name of ["ovn-nb", "ovn-sb"]) {
    const { items } = await get("endpointslices", `--selector=kubernetes.io/service-name=${name}`);
    t.ok(
      items.every((slice: Any) => slice.endpoints?.length === 1),
      name,
    );
  }
});

await t.test("each node is a chassis that the others reach by a geneve tunnel over eth1", { skip }, async (t) => {
  // The interface with the nodes' first address.
  const version = lab.settings?.ipFamily === "ipv6" ? "v6" : "v4";
  const rows = await exec("deployment/ovn-central", "ovn-sbctl", "--bare", "--columns=hostname", "list", "Chassis");
  t.strictSame(rows.split("\n").filter(Boolean).sort(), [...lab.nodes].sort());
  const address = (node: string): string => linksOf(node).find(({ name }) => name === "eth1")?.address[version] ?? "";
  for (const node of lab.nodes) {
    const pod = await podOn(node, "ovs");
    const tunnels = await exec(pod, "ovs-vsctl", "--bare", "--columns=options", "find", "Interface", "type=geneve");
    for (const other of lab.nodes.filter((name) => name !== node)) {
      t.match(tunnels, `remote_ip=${address(other)}`, `${node} → ${other}`);
    }
    t.match(
      (await lab.node(node).exec(["ip", "-brief", "address", "show", "dev", "eth0"])).stdout,
      /172\.18\.0\.\d+\/24/,
      "eth0 is untouched",
    );
  }
});

await t.test(
  "kubelet's runtime finds the shim, and the configuration that only the daemon writes",
  { skip },
  async (t) => {
    for (const node of lab.nodes) {
      const { stdout } = await lab.node(node).exec(["cat", "/etc/cni/net.d/01-kube-ovn.conflist"]);
      t.match(JSON.parse(stdout).plugins[0], {
        type: "kube-ovn",
        server_socket: "/run/openvswitch/kube-ovn-daemon.sock",
      });
      const version = await lab
        .node(node)
        .exec(["env", "CNI_COMMAND=VERSION", "/opt/cni/bin/kube-ovn"], { input: '{"cniVersion":"1.1.0"}' });
      t.match(JSON.parse(version.stdout).supportedVersions, /1\.1\.0/);
    }
  },
);

await t.test("the pods have the usual tools for administrators", { skip }, async (t) => {
  const tools =
    "bash ip curl traceroute arping ndisc6 tcpdump iptables ipset nft conntrack ovs-vsctl ovs-ofctl ovs-appctl ovs-tcpdump ovn-nbctl ovn-sbctl ovn-trace ovn-detrace weftctl";
  const missing = await exec(
    "daemonset/ovs-ovn",
    "bash",
    "-c",
    `for tool in ${tools}; do command -v $tool >/dev/null || echo $tool; done`,
  );
  t.equal(missing, "");
});

await t.test("a second deployment of the same version replaces nothing", { skip }, async (t) => {
  // Twice, because the checkout may be newer than the lab.
  await deploy(lab, progress);
  const before = await lives();
  await deploy(lab, progress);
  t.strictSame(await lives(), before);
});

await t.test("ovn-central restarts on its node, with its databases", { skip, timeout: 120_000 }, async (t) => {
  const [before] = (await get("pods", "--selector=app=ovn-central")).items;
  const rows = () =>
    exec("deployment/ovn-central", "ovn-nbctl", "--bare", "--columns=_uuid", "list", "Logical_Switch_Port");
  const ports = (await rows()).split("\n").filter(Boolean).sort();
  t.ok(ports.length > 0);
  await lab.kubectl([`--namespace=${RELEASE_NAMESPACE}`, "delete", "pod", before.metadata.name]);
  await lab.kubectl([
    `--namespace=${RELEASE_NAMESPACE}`,
    "rollout",
    "status",
    "deployment/ovn-central",
    "--timeout=90s",
  ]);
  const [after] = (await get("pods", "--selector=app=ovn-central")).items;
  t.not(after.metadata.uid, before.metadata.uid);
  t.equal(after.spec.nodeName, before.spec.nodeName);
  const now = new Set((await rows()).split("\n"));
  t.strictSame(
    ports.filter((port) => !now.has(port)),
    [],
  );
});
