// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { build } from "../../../hack/build/build.ts";
import { buildCli, cliPath, hostPlatform } from "../../../hack/build/cli.ts";
import { architecture } from "../../../hack/host/cache.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { type RunResult, run } from "../../../hack/host/run.ts";
import { IMAGE, makeImage } from "../../../hack/image/image.ts";
import { AGNHOST_IMAGE } from "../../../hack/lab/images.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { ensureTool } from "../../../hack/tools/tools.ts";
import { snapshotOf } from "../testing/node-snapshot.ts";

// A separate cluster without a network, like a user's cluster before the installation.
const progress = createProgress();
const root = await mkdtemp(join(tmpdir(), "weft-lab-"));
const lab = openLab(progress, root);
t.setTimeout(900_000);
t.teardown(async () => {
  await lab.down();
  await rm(root, { recursive: true });
});

await build([architecture()], progress);
await buildCli([hostPlatform()], progress);
const { archive } = await makeImage(progress);
await lab.up({ cni: "none", nodes: 2 });
await lab.importImage(archive);

const helm = await ensureTool("helm", progress);
const image = `${IMAGE.repository}:${IMAGE.tag}`;
function weftctl(...args: readonly string[]): Promise<RunResult> {
  const env = { KUBECONFIG: lab.paths.kubeconfig };
  return run(cliPath(hostPlatform()), args, { env, allowFailure: true, timeoutMs: 300_000 });
}
// An interface that an installation moves into a bridge, with addresses and routes of its own.
for (const [i, name] of lab.nodes.entries()) {
  const ip = (...args: readonly string[]) => lab.node(name).exec(["ip", ...args]);
  await ip("link", "add", "eth9", "mtu", "1450", "type", "veth", "peer", "name", "far9");
  await ip("address", "add", `172.31.82.${11 + i}/24`, "dev", "eth9");
  await ip("address", "add", `fd00:31:82::${11 + i}/112`, "dev", "eth9", "nodad");
  for (const link of ["far9", "eth9"]) await ip("link", "set", link, "up");
  await ip("route", "add", "198.51.100.0/24", "via", "172.31.82.1", "metric", "77");
  await ip("-6", "route", "add", "2001:db8:82::/48", "via", "fd00:31:82::1", "dev", "eth9", "metric", "77");
}
const before = await Promise.all(lab.nodes.map((name) => snapshotOf(lab.node(name))));

await t.test("env-check accepts a cluster without a network", async (t) => {
  const { code, stdout, stderr } = await weftctl("env-check", `--helm=${helm}`, "--output=json");
  t.equal(code, 0, stdout + stderr);
  const checks = JSON.parse(stdout) as readonly { name: string; result: string }[];
  t.match(checks.find(({ name }) => name === "IPv4 ranges")?.result, "ok", "the range of Services was found");
});

await t.test("env-check --nodes leaves no pods", async (t) => {
  const { code, stdout, stderr } = await weftctl(
    ...["env-check", "--nodes", `--helm=${helm}`, `--image=${image}`, "--set=tunnelInterface=eth1", "--output=json"],
  );
  t.equal(code, 0, stdout + stderr);
  const checks = JSON.parse(stdout) as readonly { subject: string; name: string; result: string; found: string }[];
  for (const node of lab.nodes) {
    const found = (name: string) => checks.find((check) => check.subject === `node ${node}` && check.name === name);
    t.match(found("ports"), { result: "ok" });
    t.match(found("MTU"), { result: "ok", found: "eth1 has 1500: pods get 1400" });
    t.match(found("nftables"), { result: "ok" });
  }
  const { stdout: pods } = await lab.kubectl(["get", "pods", "-A", "--output=name"]);
  t.notMatch(pods, /env-check/);
  const after = await Promise.all(lab.nodes.map((name) => snapshotOf(lab.node(name))));
  t.strictSame(after, before);
});

await t.test("ranges that contain a node's address are refused, and nothing is installed", async (t) => {
  const { code, stderr } = await weftctl(
    "install",
    `--helm=${helm}`,
    `--image=${image}`,
    "--set=ipv4.POD_CIDR=172.18.0.0/16",
  );
  t.equal(code, 1, stderr);
  t.match(stderr, /pods 172\.18\.0\.0\/16 contains 172\.18\.0\.\d+ of node weft-1/);
  t.equal((await lab.kubectl(["--namespace=kube-system", "get", "daemonsets", "--output=name"])).stdout, "");
});

await t.test("weftctl installs Weft, waits until it runs, and pods reach each other", async (t) => {
  const { code, stdout, stderr } = await weftctl(
    "install",
    `--helm=${helm}`,
    `--image=${image}`,
    "--set=tunnelInterface=eth1",
  );
  t.equal(code, 0, stdout + stderr);
  t.match(stderr, /kube-ovn-cni: 2 of 2 ready/);
  for (const node of lab.nodes) {
    const overrides = { spec: { nodeName: node, terminationGracePeriodSeconds: 0 } };
    const pod = [`--image=${AGNHOST_IMAGE}`, "--image-pull-policy=Never", `--overrides=${JSON.stringify(overrides)}`];
    await lab.kubectl(["run", `on-${node}`, ...pod, "--", "netexec"]);
  }
  const pods = lab.nodes.map((node) => `pod/on-${node}`);
  await lab.kubectl(["wait", ...pods, "--for=condition=Ready", "--timeout=90s"]);
  const [one = "", other = ""] = pods;
  const address = (await lab.kubectl(["get", other, "--output=jsonpath={.status.podIP}"])).stdout;
  const answer = await lab.kubectl(["exec", one, "--", "/agnhost", "connect", `${address}:8080`, "--timeout=5s"]);
  t.equal(answer.code, 0);
});

await t.test("weftctl version shows the version of the installation", async (t) => {
  const { stdout } = await weftctl("version", "--output=json");
  t.match(JSON.parse(stdout), { client: { commit: /^[0-9a-f]{40}(-dirty)?$/ }, cluster: { weft: { image } } });
});

await t.test("an interface of each node moves into a bridge, with what it has for the node", async (t) => {
  const network = {
    apiVersion: "kubeovn.io/v1",
    kind: "ProviderNetwork",
    metadata: { name: "out" },
    spec: { defaultInterface: "eth9" },
  };
  await lab.kubectl(["apply", "-f", "-"], { input: JSON.stringify(network) });
  await lab.kubectl(["wait", "provider-network", "out", "--for=jsonpath={.status.ready}=true", "--timeout=90s"]);
  for (const [i, name] of lab.nodes.entries()) {
    const { stdout } = await lab.node(name).exec(["ip", "address", "show", "dev", "br-out"]);
    t.match(stdout, `172.31.82.${11 + i}/24`, name);
    t.match((await lab.node(name).exec(["ip", "route"])).stdout, /198\.51\.100\.0\/24 via 172\.31\.82\.1 dev br-out/);
  }
});

await t.test("uninstall refuses while pods use the network", async (t) => {
  const { code, stderr } = await weftctl("uninstall", `--helm=${helm}`, "--yes");
  t.equal(code, 1, stderr);
  t.match(stderr, /default\/on-weft-1/);
});

await t.test("weftctl uninstall leaves the nodes as they were", async (t) => {
  await lab.kubectl(["delete", "pods", "--all", "--grace-period=0", "--force"]);
  const { code, stdout, stderr } = await weftctl("uninstall", `--helm=${helm}`, "--yes", "--force", "--crds");
  t.equal(code, 0, stdout + stderr);
  const after = await Promise.all(lab.nodes.map((name) => snapshotOf(lab.node(name))));
  for (const [index, name] of lab.nodes.entries()) t.strictSame(after[index], before[index], name);
  const { stdout: crds } = await lab.kubectl(["get", "crds", "--output=name"]);
  t.notMatch(crds, /kubeovn\.io/);
  const { stdout: nodes } = await lab.kubectl(["get", "nodes", "--output=jsonpath={.items[*].metadata.annotations}"]);
  t.notMatch(nodes, /ovn\.kubernetes\.io|weft\.kubeovn\.io/);
});

await t.test("uninstall can be repeated", async (t) => {
  const { code, stdout, stderr } = await weftctl("uninstall", `--helm=${helm}`, "--yes", "--force", `--image=${image}`);
  t.equal(code, 0, stdout + stderr);
});
