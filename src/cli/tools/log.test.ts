// SPDX-License-Identifier: Apache-2.0

import { Writable } from "node:stream";
import t, { type Test } from "tap";
import { serveCluster } from "../testing/served-cluster.ts";
import { duration, type LogQuestion, type PARTS, printLogs } from "./log.ts";

/** What is printed, and what wakes up when something is. */
function printed(): { readonly output: Writable; text(): string; until(text: string): Promise<void> } {
  let all = "";
  let wake = (): void => undefined;
  const output = new Writable({
    write(piece: Buffer, _, done) {
      all += piece.toString("utf8");
      wake();
      done();
    },
  });
  return {
    output,
    text: () => all,
    async until(text) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = () => void (all.includes(text) && resolve());
      wake();
      await promise;
    },
  };
}

/** A cluster whose logs are `log`; `asked`: the queries. */
async function withLogs(t: Test, log: string) {
  const asked: string[] = [];
  const { cluster, connection } = await serveCluster(t, {
    answer({ url = "" }, response) {
      const [, pod, query] = /pods\/([^/]+)\/log\?(.*)/.exec(url) ?? [];
      if (pod === undefined) return false;
      asked.push(`${pod} ${query}`);
      if (pod.startsWith("starting")) response.writeHead(400).end('{"message":"container is waiting to start"}');
      else response.end(log);
      return true;
    },
  });
  const print = async (part: keyof typeof PARTS, question: LogQuestion = {}) => {
    const to = printed();
    const told: string[] = [];
    const warnings = await printLogs(connection, "kube-system", part, question, to.output, (text) => told.push(text));
    t.same(told, warnings);
    return [to.text(), warnings];
  };
  return { cluster, print, asked };
}

t.test("the logs of a component begin each line with its pod; that of a node's pod is as it was written", async (t) => {
  const { print, asked } = await withLogs(t, "one\n\ntwo");
  const prefix = "[pod/controller-2/kube-ovn-controller]";
  t.same(await print("controller", { sinceSeconds: 65 }), [`${prefix} one\n${prefix} \n${prefix} two\n`, []]);
  t.same(await print("daemon", { node: "weft-2", follow: true }), ["one\n\ntwo", []]);
  t.same(asked, [
    "controller-2 container=kube-ovn-controller&follow=false&sinceSeconds=65",
    "cni-2 container=cni-server&follow=true",
  ]);
});

t.test("a pod whose log cannot be read is a warning, and the others are printed", async (t) => {
  const { cluster, print } = await withLogs(t, "one\n");
  await cluster.kube.create(
    { group: "", version: "v1", plural: "pods", namespaced: true, kind: "Pod" },
    { metadata: { namespace: "kube-system", name: "starting-1", labels: { app: "ovs" } } },
  );
  const [text, warnings] = await print("ovs");
  t.equal(text, "[pod/ovs-2/openvswitch] one\n");
  t.match(warnings, [/^pod starting-1: .*container is waiting to start/]);
});

t.test("an unknown node, and a cluster without the component, are errors", async (t) => {
  const { print } = await withLogs(t, "");
  await t.rejects(print("daemon", { node: "weft-9" }), { message: "no pod with app=kube-ovn-cni runs on node weft-9" });
  const { connection } = await serveCluster(t);
  await t.rejects(printLogs(connection, "elsewhere", "ovs", {}, printed().output, t.fail), {
    message: /is Weft installed there/,
  });
});

t.test("a followed log is printed as it is written, and its connection ends with its reader", async (t) => {
  const writing = Promise.withResolvers<(text: string) => void>();
  const ended = Promise.withResolvers<void>();
  const { connection } = await serveCluster(t, {
    answer({ url = "" }, response) {
      if (!url.includes("/log?")) return false;
      response.flushHeaders();
      response.once("close", ended.resolve);
      writing.resolve((text) => void response.write(text));
      return true;
    },
  });
  const { output, until, text } = printed();
  const printing = printLogs(connection, "kube-system", "ovs", { follow: true }, output, t.fail);
  const write = await writing.promise;
  write("first\nsec");
  write("ond\n");
  await until("second");
  t.equal(text(), "[pod/ovs-2/openvswitch] first\n[pod/ovs-2/openvswitch] second\n");
  output.destroy(new Error("EPIPE"));
  t.same(await printing, []);
  await ended.promise;
});

t.test("a duration has hours, minutes and seconds", async (t) => {
  t.same(["90s", "5m", "2h", "1h30m"].map(duration), [90, 300, 7_200, 5_400]);
  for (const text of ["", "soon", "5", "0s", "1.5h", "5m2h"])
    t.throws(() => duration(text), { message: "must be a duration such as 90s, 5m or 1h30m" });
});
