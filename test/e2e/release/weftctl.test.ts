// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import manifest from "../../../package.json" with { type: "json" };
import { type RunningWeftctl, startWeftctl } from "../../../src/cli/testing/served-cluster.ts";
import { connectKube } from "../../../src/kube/connect.ts";
import { SERVICE_ACCOUNTS } from "../../../src/kube/resources.ts";
import { addressesOf, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { findProcess } from "../testing/processes.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-weftctl";

t.setTimeout(600_000);

type Ended = Awaited<RunningWeftctl["ended"]>;

/** Processes of a pod that have ended, and that nothing has waited for. */
function zombies(podUid: string): number {
  return readdirSync("/proc").filter((entry) => {
    try {
      if (!/^\d+$/.test(entry) || !readFileSync(`/proc/${entry}/cgroup`, "utf8").includes(`pod${podUid}`)) return false;
      return /\) Z /.test(readFileSync(`/proc/${entry}/stat`, "utf8"));
    } catch {
      return false;
    }
  }).length;
}

/** Runs weftctl with the lab's kubeconfig, and nothing on the PATH. */
function weftctlOf({ lab }: World) {
  const start = (...args: readonly string[]): RunningWeftctl => startWeftctl(lab.paths, ...args);
  return { start, weftctl: (...args: readonly string[]): Promise<Ended> => start(...args).ended };
}

t.test("every verb works with a kubeconfig alone: no kubectl on the PATH", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const { start, weftctl } = weftctlOf(world);
  const [near = "", far = ""] = world.lab.nodes;
  await useNamespace(t, world, NAMESPACE);
  const [client, server] = await run(world, [webPod(NAMESPACE, "client", near), webPod(NAMESPACE, "server", far)]);
  if (client === undefined || server === undefined) throw new Error("the pods do not run");
  const [address] = addressesOf(server);

  await t.test("the programs of OVN and Open vSwitch answer, and their exit codes are passed on", async (t) => {
    for (const [args, out] of [
      [["nbctl", "--", "--columns=name", "list", "Logical_Switch"], /ovn-default/],
      [["sbctl", "show"], /Chassis/],
      [["vsctl", near, "show"], /br-int/],
      [["ofctl", near, "dump-flows", "br-int", "table=0"], /priority=/],
      // It speaks to the kernel module, which a node may not have.
      [["dpctl", near, "--", "--version"], /ovs-dpctl/],
      [["appctl", near, "version"], /Open vSwitch/],
      [["central", "status"], /northbound|NB|leader/i],
      [
        ["trace", `${NAMESPACE}/client`, `${NAMESPACE}/server`, "tcp", "8080"],
        /On the nodes, by the flows of Open vSwitch/,
      ],
    ] as const) {
      const ended = await weftctl(...args);
      t.equal(ended.code, 0, `${args.join(" ")}: ${ended.err}`);
      t.match(ended.out, out, args.join(" "));
    }
    const wrong = await weftctl("vsctl", near, "get", "Bridge", "none", "name");
    t.equal(wrong.code, 1);
    t.match(wrong.err, /no row "none" in table Bridge/);
    const top = await weftctl("top", "--interval", "1", "-o", "json");
    t.equal(top.code, 0, top.err);
    t.type(JSON.parse(top.out), Array);
    const looked = await weftctl("diagnose", "node", near, "-o", "json");
    t.notMatch(looked.err, "not looked at");
  });

  await t.test(
    "the weftctl in Weft's pods says its version, which names the image of its tasks on nodes",
    async (t) => {
      const inController = ["-n", "kube-system", "exec", "deploy/kube-ovn-controller", "--"];
      const { stdout } = await world.lab.kubectl([...inController, "weftctl", "--version"]);
      t.equal(stdout, `${manifest.version}\n`);
    },
  );

  await t.test("standard input reaches a program, which ends with it", async (t) => {
    const running = start("ofctl", near, "parse-flows", "-");
    running.write("priority=7,ip,actions=drop\n");
    running.endInput();
    const { code, out, err } = await running.ended;
    t.equal(code, 0, err);
    t.match(out, /priority=7/);
  });

  await t.test("tcpdump shows a pod's packets, and ends on its node with Ctrl-C", async (t) => {
    const counted = start("tcpdump", `${NAMESPACE}/server`, "--", "-c", "2", "icmp");
    await until("tcpdump listens", 60_000, () => counted.err.includes("listening on"));
    await inPod(client)(["busybox", "ping", "-c", "2", address]);
    const ended = await counted.ended;
    t.equal(ended.code, 0, ended.err);
    t.match(ended.out, `> ${address}: ICMP echo request`);

    const [ovs] = world.own("ovs", far);
    const capture = start("tcpdump", `${NAMESPACE}/server`, "--", "-l", "icmp");
    await until("tcpdump listens", 60_000, () => capture.err.includes("listening on"));
    const uid = ovs?.metadata.uid ?? "";
    t.ok(findProcess(uid, "tcpdump"));
    await inPod(client)(["busybox", "ping", "-c", "1", address]);
    await until("a packet is printed", 60_000, () => capture.out.includes("ICMP echo"));
    capture.kill("SIGINT");
    const stopped = await capture.ended;
    t.match(stopped.err, /packets captured/, "its last lines are shown");
    await until("tcpdump has ended", 20_000, () => findProcess(uid, "tcpdump") === undefined);
    const killed = start("tcpdump", `${NAMESPACE}/server`, "--", "-l", "icmp");
    await until("tcpdump listens", 60_000, () => killed.err.includes("listening on"));
    killed.kill("SIGKILL");
    await until("tcpdump has ended with weftctl", 20_000, () => findProcess(uid, "tcpdump") === undefined);
  });

  await t.test("logs are printed, and followed until Ctrl-C", async (t) => {
    const all = await weftctl("log", "daemon", "--since", "1h");
    t.equal(all.code, 0, all.err);
    for (const { metadata } of world.own("kube-ovn-cni"))
      t.match(all.out, `[pod/${metadata.name}/cni-server] {`, metadata.name);
    const followed = start("log", "controller", "-f");
    await until("lines are printed", 60_000, () => followed.out.split("\n").length > 2);
    followed.kill("SIGINT");
    await followed.ended;
  });

  await t.test("many commands leave no process behind", async (t) => {
    const [central] = world.own("ovn-central");
    const [ovs] = world.own("ovs", near);
    const pods = [central, ovs].map((pod) => pod?.metadata.uid ?? "");
    const before = pods.map(zombies);
    for (let i = 0; i < 5; i++) await Promise.all([weftctl("nbctl", "show"), weftctl("vsctl", near, "show")]);
    t.same(pods.map(zombies), before);
    t.same(
      pods.map((uid) => findProcess(uid, "kill $$")),
      [undefined, undefined],
    );
  });

  await t.test("an account without the right is told which, and works with that right alone", async (t) => {
    const name = "weftctl-viewer";
    await world.kube.create(SERVICE_ACCOUNTS, { metadata: { namespace: NAMESPACE, name } });
    const role = (rules: readonly object[]): Promise<unknown> =>
      world.lab.kubectl(["apply", "-f", "-"], {
        input: JSON.stringify({
          ...{ apiVersion: "v1", kind: "List" },
          items: [
            {
              ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role" },
              ...{ metadata: { namespace: "kube-system", name }, rules },
            },
            {
              ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding" },
              metadata: { namespace: "kube-system", name },
              roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
              subjects: [{ kind: "ServiceAccount", namespace: NAMESPACE, name }],
            },
          ],
        }),
      });
    t.teardown(() => world.lab.kubectl(["-n", "kube-system", "delete", "role,rolebinding", name]));
    const list = { apiGroups: [""], resources: ["pods"], verbs: ["list"] };
    await role([list]);
    const admin = await connectKube({ userAgent: "weft-e2e", kubeconfig: world.lab.paths.kubeconfig });
    t.teardown(() => admin.close());
    const token = await admin.token({ namespace: NAMESPACE, name }, 3_600);
    const config = JSON.parse(
      (await world.lab.kubectl(["config", "view", "--raw", "--flatten", "--minify", "-o", "json"])).stdout,
    ) as { readonly contexts: readonly [{ readonly context: object }] };
    const [{ context }] = config.contexts;
    const kubeconfig = join(t.testdir({}), "config");
    await writeFile(
      kubeconfig,
      JSON.stringify({
        ...config,
        users: [{ name, user: { token } }],
        contexts: [{ name: "viewer", context: { ...context, user: name } }],
        "current-context": "viewer",
      }),
    );
    const lacking = await startWeftctl({ kubeconfig }, "vsctl", near, "show").ended;
    t.same(lacking, {
      ...{ code: 2, out: "" },
      err: "this account lacks the verb get on pods/exec in namespace kube-system\n",
    });
    await role([list, { apiGroups: [""], resources: ["pods/exec"], verbs: ["get"] }]);
    const allowed = await startWeftctl({ kubeconfig }, "vsctl", near, "show").ended;
    t.equal(allowed.code, 0, allowed.err);
    const logs = await startWeftctl({ kubeconfig }, "log", "controller").ended;
    t.match(logs, { code: 2, err: /lacks the verb get on pods\/log in namespace kube-system/ });
  });
});
