// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { Command } from "commander";
import t from "tap";
import type { KubeObject } from "../../kube/object.ts";
import { PODS } from "../../kube/resources.ts";
import { SampleCluster } from "../testing/sample-cluster.ts";
import { addToolCommands } from "./commands.ts";
import { argumentsFor } from "./kube-ovn-verbs.ts";
import { captureTarget, centralTarget, nodeTarget } from "./targets.ts";

async function cluster(): Promise<SampleCluster> {
  const made = await SampleCluster.make();
  const pod = (name: string, labels: Record<string, string>, nodeName: string, ready: boolean): Promise<KubeObject> =>
    made.add(PODS, {
      metadata: { namespace: "kube-system", name, labels },
      spec: { nodeName, hostNetwork: true },
      status: { phase: "Running", conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
    });
  await pod("central-1", { app: "ovn-central", "ovn-nb-leader": "true" }, "weft-1", true);
  await pod("central-2", { app: "ovn-central", "ovn-sb-leader": "true" }, "weft-2", true);
  await pod("ovs-1", { app: "ovs" }, "weft-1", true);
  await pod("ovs-2", { app: "ovs" }, "weft-2", true);
  await made.pod("default/web", {}, { node: "weft-2" });
  return made;
}

/** The beginning of a command that ends with its input. */
async function script(): Promise<readonly string[]> {
  const { kube } = await cluster();
  return (await nodeTarget(kube, "kube-system", "vsctl", "weft-2", ["show"])).command.slice(0, 4);
}

t.test("each tool runs at the leader of its database, or on the node", async (t) => {
  const { kube } = await cluster();
  t.same(await centralTarget(kube, "kube-system", "nbctl", ["show"]), {
    ...{ pod: "central-1", container: "ovn-central" },
    ...{ command: [...(await script()), "ovn-nbctl", "show"], endsWithInput: true },
  });
  const { pod, command } = await centralTarget(kube, "kube-system", "sbctl", []);
  t.same([pod, command.at(-1)], ["central-2", "ovn-sbctl"]);
  t.same(await nodeTarget(kube, "kube-system", "ofctl", "weft-2", ["dump-flows", "br-int"]), {
    ...{ pod: "ovs-2", container: "openvswitch" },
    ...{ command: [...(await script()), "ovs-ofctl", "dump-flows", "br-int"], endsWithInput: true },
  });
  t.same(await nodeTarget(kube, "kube-system", "ofctl", "weft-2", ["add-flows", "br-int", "-"]), {
    ...{ pod: "ovs-2", container: "openvswitch" },
    ...{ command: ["ovs-ofctl", "add-flows", "br-int", "-"], readsInput: true },
  });
  const capture = await captureTarget(kube, "kube-system", { namespace: "default", name: "web" }, ["-c", "3"]);
  t.equal(capture.pod, "ovs-2");
  t.same(capture.command.slice(3), ["tcpdump", "web.default", "-c", "3"]);
});

t.test(
  "a target that does not exist is reported: no such node, no central, a pod on its node's network, a deleted pod",
  async (t) => {
    const { kube } = await cluster();
    await t.rejects(nodeTarget(kube, "kube-system", "vsctl", "weft-9", []), {
      name: "ToolError",
      message: /it runs on weft-1, weft-2/,
    });
    await t.rejects(centralTarget(kube, "elsewhere", "nbctl", []), {
      name: "ToolError",
      message: /is ovn-central running/,
    });
    await t.rejects(captureTarget(kube, "kube-system", { namespace: "kube-system", name: "ovs-1" }, []), {
      message: /is on its node's network/,
    });
    await t.rejects(captureTarget(kube, "kube-system", { namespace: "default", name: "gone" }, []), {
      code: "not-found",
    });
  },
);

t.test("as kubectl-ko, Kube-OVN's verbs take the options of programs unchanged", async (t) => {
  for (const [args, expected] of [
    [
      ["nbctl", "--columns=name", "list", "ACL"],
      ["nbctl", "--", "--columns=name", "list", "ACL"],
    ],
    [
      ["vsctl", "n1", "-f", "json", "show"],
      ["vsctl", "n1", "--", "-f", "json", "show"],
    ],
    [
      ["tcpdump", "default/web", "-c", "3"],
      ["tcpdump", "default/web", "--", "-c", "3"],
    ],
    [
      ["trace", "default/web", "10.16.0.9", "tcp", "80"],
      ["trace", "default/web", "10.16.0.9", "tcp", "80"],
    ],
    [
      ["trace", "node//n1", "10.16.0.9", "0a:00:00:00:00:09", "tcp", "80"],
      ["trace", "node/n1", "10.16.0.9", "tcp", "80", "--mac=0a:00:00:00:00:09"],
    ],
    [
      ["ovn-trace", "default/web", "10.16.0.9", "0a:00:00:00:00:09", "icmp"],
      ["trace", "default/web", "10.16.0.9", "icmp", "--mac=0a:00:00:00:00:09"],
    ],
    [
      ["diagnose", "all"],
      ["diagnose", "all"],
    ],
  ] as const) {
    t.same(argumentsFor("kubectl-ko", args), expected);
    t.same(argumentsFor("kubectl-weft", args), args);
  }
});

t.test("options behind -- are the program's, those before are weftctl's", async (t) => {
  const program = new Command("weftctl").option("-o, --output <form>").exitOverride();
  const seen: unknown[] = [];
  addToolCommands(program, async (options) => {
    seen.push("namespace" in options && options.namespace);
    throw new Error("far enough");
  });
  const args = ["nbctl", "-n", "net", "--", "-o", "list"];
  await t.rejects(program.parseAsync(args, { from: "user" }), { message: "far enough" });
  t.same(seen, ["net"]);
  t.equal(program.opts()["output"], undefined);
  t.same(program.commands.find((command) => command.name() === "nbctl")?.args, ["-o", "list"]);
});

t.test("a program that runs until it is stopped ends with its input, because weftctl may end silently", async (t) => {
  const { kube } = await cluster();
  const target = await nodeTarget(kube, "kube-system", "ofctl", "weft-2", ["monitor", "br-int", "watch:"]);
  t.equal(target.endsWithInput, true);
  t.same(target.command.slice(3), ["tool", "ovs-ofctl", "monitor", "br-int", "watch:"]);
  const [program = "", ...args] = target.command.toSpliced(4, 4, "sleep", "1000");
  const child = spawn(program, args, { stdio: ["pipe", "ignore", "inherit"] });
  const ended = once(child, "close");
  child.stdin.end();
  t.same(await ended, [null, "SIGTERM"]);
});

t.test("kubectl ko nb status shows the replicas of the databases", async (t) => {
  t.same(argumentsFor("kubectl-ko", ["nb", "status"]), ["central", "status"]);
  t.same(argumentsFor("kubectl-ko", ["sb", "backup"]), ["central", "backup"]);
  t.same(argumentsFor("kubectl-ko", ["nb", "dbstatus"]), ["central", "status"]);
  t.same(argumentsFor("weftctl", ["nb", "status"]), ["nb", "status"]);
});

t.test("a verb of Kube-OVN without a counterpart is an error that says what to use", async (t) => {
  for (const [args, message] of [
    [["nb", "kick", "1234"], /`central rejoin NODE`/],
    [["sb", "restore"], /`central restore NODE`/],
    [["nb", "show"], /must be one of: status, dbstatus, backup/],
    [["reload"], /rollout restart/],
    [["icnbctl", "show"], /OVN-IC/],
    [["diagnose", "IPPorts", "tcp-172.18.0.2-53"], /`trace node\/NAME ADDRESS tcp PORT`/],
    [["log", "kube-ovn"], /`log controller\|daemon/],
    [["trace", "a/b", "10.16.0.9", "arp", "request"], /trace icmp instead/],
    [["log", "linux"], /`diagnose node NAME`/],
  ] as const) {
    t.throws(() => argumentsFor("kubectl-ko", args), { name: "ToolError", message });
    t.same(argumentsFor("weftctl", args), args);
  }
  t.same(argumentsFor("kubectl-ko", ["log", "ovs"]), ["log", "ovs"]);
});
