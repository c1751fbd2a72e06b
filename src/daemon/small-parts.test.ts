import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { hostLinkName, isHostLinkName } from "../node/link-names.ts";
import { conflist, writeAtomically } from "./cni/conflist.ts";
import { pluginVersions } from "./cni/plugin-versions.ts";
import { Contention } from "./contention.ts";
import { tunnelMtu } from "./gateway/tunnel-mtu.ts";
import { DaemonMetrics } from "./metrics.ts";
import { readOptions } from "./options.ts";
import { parseOvsSettings, readOvsSettings } from "./ovs/ovs-settings.ts";
import { ReconcileLoop } from "./reconcile-loop.ts";
import { RepairReport } from "./repair-report.ts";

t.test("host ends are named as Kube-OVN names them, and fit", async (t) => {
  t.equal(hostLinkName("0123456789abcdef", "eth0"), "0123456789ab_h");
  t.equal(hostLinkName("0123456789abcdef", "net1"), "01234567_net1_h");
  const id = fc.stringMatching(/^[0-9a-f]{16}$/);
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,14}$/);
  fc.assert(
    fc.property(id, name, (containerId, ifName) => {
      const link = hostLinkName(containerId, ifName);
      return link.length <= 15 && isHostLinkName(link);
    }),
  );
  // KubeVirt names a network's interface alike in all pods, so that next to nothing of the container's id would be left.
  const kubeVirt = "pod16367aacb67";
  t.not(hostLinkName("0123456789abcdef", kubeVirt), hostLinkName("0123456789abcdee", kubeVirt));
  t.not(hostLinkName("0123456789abcdef", kubeVirt), hostLinkName("0123456789abcdef", "pod26367aacb67"));
  for (const other of ["eth0", "ovn0", "br-int", "veth12345678", "_h"]) t.notOk(isHostLinkName(other), other);
});

t.test("the conflist chains portmap and lists the versions that it speaks", async (t) => {
  const versions = (portmap?: readonly string[]) => {
    const { cniVersion, cniVersions } = JSON.parse(conflist("/run/x.sock", portmap));
    return [cniVersion, ...(cniVersions ?? [])];
  };
  const old = ["0.3.0", "0.3.1", "0.4.0"];
  t.same(versions(["0.1.0", ...old, "1.0.0", "1.1.0"]), ["1.0.0", ...old, "1.0.0", "1.1.0"]);
  t.same(versions(["0.1.0", ...old, "1.0.0"]), ["1.0.0", ...old, "1.0.0"]);
  t.same(versions(["0.1.0", "0.2.0", ...old]), ["0.4.0", ...old]);
  t.same(versions(["9.0.0"]), ["1.0.0"], "the runtime then says what is wrong");
  t.same(versions(), ["1.0.0", ...old, "1.0.0"], "one that does not answer is taken for a usual one");
  t.match(JSON.parse(conflist("/run/x.sock")), {
    plugins: [
      { type: "kube-ovn", server_socket: "/run/x.sock" },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  });
});

t.test("a plugin says which versions it speaks", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "weft-bin-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const plugin = (name: string, script: string): string => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return join(folder, name);
  };
  const answer = `cat >/dev/null; test "$CNI_COMMAND" = VERSION && echo '{"supportedVersions":["0.4.0","1.0.0"]}'`;
  t.same(await pluginVersions(plugin("good", answer)), ["0.4.0", "1.0.0"]);
  t.equal(await pluginVersions(plugin("silent", "exit 0")), undefined);
  t.equal(await pluginVersions(plugin("broken", "exit 1")), undefined);
  t.equal(await pluginVersions(plugin("odd", "echo null")), undefined);
  t.equal(await pluginVersions(join(folder, "absent")), undefined);
});

t.test("a file is written whole and leaves nothing beside it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "weft-conf-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  await writeAtomically(folder, "01-kube-ovn.conflist", "old\n");
  await writeAtomically(folder, "01-kube-ovn.conflist", "new\n");
  t.equal(readFileSync(join(folder, "01-kube-ovn.conflist"), "utf8"), "new\n");
  t.same(readdirSync(folder), ["01-kube-ovn.conflist"]);
  await t.rejects(writeAtomically(join(folder, "absent"), "x", "y"), { code: "ENOENT" });
});

t.test("tunnels take their header off the MTU", async (t) => {
  t.equal(tunnelMtu(1500, { type: "geneve", ip: "172.19.0.11" }), 1400);
  t.equal(tunnelMtu(1500, { type: "vxlan", ip: "172.19.0.11" }), 1450);
  t.equal(tunnelMtu(1500, { type: "geneve,vxlan", ip: "172.19.0.11" }), 1400);
  t.equal(tunnelMtu(9000, { type: "geneve", ip: "fd00::1" }), 8880);
});

t.test("a loop runs once for many triggers and again for one that came meanwhile", async (t) => {
  let runs = 0;
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const started = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const loop = new ReconcileLoop(
    async () => {
      runs += 1;
      started[runs - 1]?.resolve();
      await gates[runs - 1]?.promise;
    },
    () => undefined,
    { restMs: 1 },
  );
  loop.trigger();
  loop.trigger();
  await started[0]!.promise;
  loop.trigger();
  loop.trigger();
  gates[0]!.resolve();
  await started[1]!.promise;
  gates[1]!.resolve();
  await loop.stop();
  t.equal(runs, 2);
});

t.test("a loop that fails tries again, later and later", async (t) => {
  const pauses: number[] = [];
  const done = Promise.withResolvers<void>();
  const loop = new ReconcileLoop(
    async () => {
      if (pauses.length < 4) throw new Error("not yet");
      done.resolve();
    },
    (_error, retryMs) => pauses.push(retryMs),
    { firstRetryMs: 1, maxRetryMs: 4, restMs: 0 },
  );
  loop.trigger();
  await done.promise;
  await loop.stop();
  t.same(pauses, [1, 2, 4, 4]);
});

t.test("a loop that backs off waits, but not when what is wanted changes", async (t) => {
  let runs = 0;
  const second = Promise.withResolvers<void>();
  const loop = new ReconcileLoop(
    async () => {
      runs += 1;
      if (runs === 1) loop.backOff(3_600_000);
      else second.resolve();
    },
    () => undefined,
    { restMs: 1 },
  );
  loop.trigger();
  while (runs === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  for (let turn = 0; turn < 20; turn++) {
    loop.trigger();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  t.equal(runs, 1);
  loop.hurry();
  await second.promise;
  await loop.stop();
  t.equal(runs, 2);
});

t.test("repairs are counted by kind and told at the node, a fight over one as such", async (t) => {
  const [counted, told]: string[][] = [[], []];
  const world = {
    metrics: { repaired: (what: string) => void counted!.push(what) },
    log: { warn: () => undefined },
    event: (reason: string, message: string) => void told!.push(`${reason}: ${message}`),
    now: () => 0,
  };
  const report = new RepairReport(world, new Contention({ patience: 2, firstPauseMs: 100 }));
  t.equal(report.note(["route a", "route b", "rules table inet weft"]), 0);
  t.same(counted, ["route", "route", "rules"]);
  t.match(told?.[0], /^NodeNetworkRepaired: .*: route a$/);
  t.equal(report.note(["route a"]), 100);
  t.equal(report.note(["route a", "link ovn0"]), 200);
  t.match(told?.[3], /^NodeNetworkContended: .*again and again.*: route a$/);
  t.equal(told?.[3], told?.[4], "the same text, so that repeats are counted as one Event");
});

t.test("the settings that start-ovs wrote down are read, and none where there is no file", async (t) => {
  t.same(parseOvsSettings("ovn-remote=tcp:[fd00::1]:6642\nsystem-id=a=b\n\n=x\n"), {
    "ovn-remote": "tcp:[fd00::1]:6642",
    "system-id": "a=b",
  });
  t.same(readOvsSettings("/nonexistent/weft-settings"), {});
});

t.test("the process shows its own figures", async (t) => {
  const { registry } = new DaemonMetrics("weft-1");
  for (const text of [await registry.metrics(), await registry.metrics()]) {
    t.match(text, /process_resident_memory_bytes [1-9]/);
    t.match(text, /process_open_fds [1-9]/);
    t.match(text, /process_cpu_seconds_total [0-9]+(\.[0-9]+)?\n/);
  }
});

t.test("options have Kube-OVN's defaults and refuse nonsense", async (t) => {
  t.match(readOptions([], { KUBE_NODE_NAME: "weft-1" }), {
    nodeName: "weft-1",
    bindSocket: "/run/openvswitch/kube-ovn-daemon.sock",
    cniConfName: "01-kube-ovn.conflist",
    nodeSwitch: "join",
    mtu: 0,
    metricsPort: 10665,
    healthPort: 10666,
  });
  t.match(readOptions(["--node-name=x", "--mtu=1350"], { KUBE_NODE_NAME: "weft-1" }), { nodeName: "x", mtu: 1350 });
});
