// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { FakeExec } from "../../kube/testing/fake-pod-streams.ts";
import { type ServedCluster, serveCluster, startWeftctl } from "../testing/served-cluster.ts";

/** A cluster whose first command in a pod is taken by the test. */
async function withCommand(
  t: Parameters<typeof serveCluster>[0],
): Promise<readonly [ServedCluster, Promise<FakeExec>]> {
  const first = Promise.withResolvers<FakeExec>();
  return [await serveCluster(t, { streams: { exec: first.resolve } }), first.promise];
}

t.test("a tool's output, errors and exit code are those of the program in the pod, without kubectl", async (t) => {
  const [cluster, started] = await withCommand(t);
  const running = startWeftctl(cluster, "vsctl", "weft-2", "--", "--columns=name", "list", "Bridge; reboot");
  const exec = await started;
  t.match(exec, { namespace: "kube-system", pod: "ovs-2", container: "openvswitch", tty: false, stdin: true });
  t.same(exec.command.slice(-4), ["ovs-vsctl", "--columns=name", "list", "Bridge; reboot"]);
  exec.stdout("name: br-int\n");
  exec.stderr("careful\n");
  exec.exit(7);
  t.same(await running.ended, { code: 7, out: "name: br-int\n", err: "careful\n" });
});

t.test("a program with the argument - gets weftctl's input, and its end", async (t) => {
  const [cluster, started] = await withCommand(t);
  const running = startWeftctl(cluster, "ofctl", "weft-2", "add-flows", "br-int", "-");
  const exec = await started;
  t.same(exec.command, ["ovs-ofctl", "add-flows", "br-int", "-"]);
  running.write("priority=1 actions=drop\n");
  running.endInput();
  while (!exec.inputEnded) await exec.received();
  t.equal(exec.input, "priority=1 actions=drop\n");
  exec.exit(0);
  t.equal((await running.ended).code, 0);
});

t.test("Ctrl-C ends the input of a capture, and what it still prints is shown", async (t) => {
  const [cluster, started] = await withCommand(t);
  const running = startWeftctl(cluster, "tcpdump", "web", "--", "-c", "3", "port 80; reboot");
  const exec = await started;
  t.same(exec.command.slice(-5), ["tcpdump", "web.default", "-c", "3", "port 80; reboot"]);
  exec.stderr("listening\n");
  await running.says("listening");
  running.kill("SIGINT");
  while (!exec.inputEnded) await exec.received();
  t.notOk(exec.gone);
  exec.stderr("2 packets captured\n");
  exec.exit(0);
  t.same(await running.ended, { code: 0, out: "", err: "listening\n2 packets captured\n" });
});

t.test("a second Ctrl-C, and a reader that ends, end weftctl and the connection", async (t) => {
  const [cluster, started] = await withCommand(t);
  const running = startWeftctl(cluster, "tcpdump", "web");
  const exec = await started;
  exec.stderr("listening\n");
  await running.says("listening");
  running.kill("SIGTERM");
  while (!exec.inputEnded) await exec.received();
  running.kill("SIGTERM");
  t.equal((await running.ended).code, 128 + 15);
  while (!exec.gone) await exec.received();
  const [other, second] = await withCommand(t);
  const unread = startWeftctl(other, "tcpdump", "web");
  const capture = await second;
  await unread.stopReading();
  capture.stdout("a packet\n");
  t.same(await unread.ended, { code: 128 + 13, out: "", err: "" });
});
