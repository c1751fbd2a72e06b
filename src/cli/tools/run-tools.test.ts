// SPDX-License-Identifier: Apache-2.0

import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import t, { type Test } from "tap";
import { PODS } from "../../kube/resources.ts";
import { SampleCluster } from "../testing/sample-cluster.ts";
import { addToolCommands, addWatchCommands } from "./commands.ts";

/**
 * A kubectl that does `then` and ends with `code`. It answers `auth can-i` and records the other calls. If `answer`
 * is undefined, there is none.
 */
function useKubectl(
  t: Test,
  answer: "yes" | "no" | undefined,
  code = 0,
  then = "",
): () => readonly (readonly string[])[] {
  const folder = t.testdir({ calls: "" });
  const calls = join(folder, "calls");
  if (answer !== undefined) {
    const script = `#!/bin/sh
case " $* " in *" auth can-i "*) echo ${answer}; [ ${answer} = yes ]; exit;; esac
printf '%s\\t' "$@" >> ${calls}; echo >> ${calls}
${then}
exit ${code}
`;
    writeFileSync(join(folder, "kubectl"), script);
    chmodSync(join(folder, "kubectl"), 0o755);
  }
  const before = process.env["PATH"];
  process.env["PATH"] = answer === undefined ? folder : `${folder}:/usr/bin:/bin`;
  t.teardown(() => {
    process.env["PATH"] = before;
    process.exitCode = 0;
  });
  return () =>
    readFileSync(calls, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split("\t").slice(0, -1));
}

async function weftctl(...args: readonly string[]): Promise<void> {
  const cluster = await SampleCluster.make();
  for (const [app, name] of [
    ["kube-ovn-cni", "cni-2"],
    ["ovs", "ovs-2"],
  ])
    await cluster.add(PODS, {
      metadata: { namespace: "kube-system", name, labels: { app } },
      spec: { nodeName: "weft-2", hostNetwork: true },
    });
  await cluster.pod("default/web", {}, { node: "weft-2" });
  const program = new Command("weftctl").option("--context <name>").exitOverride();
  program.configureOutput({ writeErr: () => undefined });
  addToolCommands(program, (_, action) => action(cluster.kube));
  addWatchCommands(
    program,
    (_, action) => action(cluster.kube),
    async (_, action) => void (await action(cluster.kube)),
  );
  // Subcommands copy their parent's settings when they are created.
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => undefined });
  await program.parseAsync(args, { from: "user" });
}

t.test("log runs kubectl for the logs of a component, or of its pod on a node, and ends as kubectl does", async (t) => {
  const calls = useKubectl(t, "yes", 3);
  await weftctl("log", "controller", "--since", "5m", "--context", "x");
  await weftctl("log", "daemon", "weft-2", "-f");
  const ends = ["--tail=-1", "--max-log-requests=500"];
  t.same(calls(), [
    ...[
      [
        ...["--context=x", "-n", "kube-system", "logs", "-c", "kube-ovn-controller", "-l", "app=kube-ovn-controller"],
        ...["--prefix", ...ends, "--since=5m"],
      ],
    ],
    ["-n", "kube-system", "logs", "-c", "cni-server", "cni-2", ...ends, "-f"],
  ]);
  t.equal(process.exitCode, 3);
});

t.test("log reports an unknown component, an unknown node, and a missing permission", async (t) => {
  const calls = useKubectl(t, "no");
  await t.rejects(weftctl("log"), { code: "commander.missingArgument" });
  await t.rejects(weftctl("log", "unknown"), { message: /Allowed choices are controller, daemon, central, ovs/ });
  await t.rejects(weftctl("log", "daemon"), {
    message: "this account lacks the verb get on pods/log in namespace kube-system",
  });
  useKubectl(t, "yes");
  await t.rejects(weftctl("log", "daemon", "weft-9"), { message: "no pod with app=kube-ovn-cni runs on node weft-9" });
  t.same(calls(), []);
});

t.test("a missing kubectl is reported", async (t) => {
  useKubectl(t, undefined);
  for (const args of [
    ["log", "daemon"],
    ["top", "--interval", "1"],
    ["vsctl", "weft-2", "show"],
    ["tcpdump", "web"],
  ])
    await t.rejects(weftctl(...args), { name: "ToolError", message: /^kubectl is not on the PATH/ }, args.join(" "));
});

t.test("an invalid name of a pod is refused before any request", async (t) => {
  const calls = useKubectl(t, "yes");
  for (const name of ["a/b/c", "default/", "/web", ""])
    await t.rejects(weftctl("tcpdump", name), { name: "EndpointError", message: /is not a valid name of a pod/ }, name);
  await weftctl("tcpdump", "web", "--", "-c", "3", "port 80; reboot");
  // The script for the pod has several lines.
  t.same(calls().at(-1)?.slice(-5), ["tcpdump", "web.default", "-c", "3", "port 80; reboot"]);
});

t.test("a capture ends with kubectl: its input is a socket of weftctl's", async (t) => {
  const calls = useKubectl(t, "yes", 7, "case $(readlink /proc/$$/fd/0) in socket:*) ;; *) exit 1;; esac");
  await weftctl("tcpdump", "web");
  t.equal(process.exitCode, 7);
  const [exec = ""] = calls().map((call) => call.slice(0, 4).join(" "));
  t.equal(exec, "-n kube-system exec -i");
});
