// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { untilAborted } from "../../kube/abort.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { DaemonMetrics } from "../metrics.ts";
import { ALLOCATED } from "../testing/allocated.ts";
import { FakeLinks, FakePods, FakePorts } from "../testing/fake-node.ts";
import { POD_BODY } from "../testing/pod-request.ts";
import { DEFAULT_INSTALLED_MS } from "./add.ts";
import { DEFAULT_ALLOCATION_DEADLINES } from "./await-allocation.ts";
import { CniError } from "./cni-error.ts";
import { Journal } from "./journal.ts";
import { Lanes } from "./lanes.ts";
import { cniVerbs } from "./verbs.ts";

/** As {@link FakePorts}; while the database is not known, no port is found and nothing can be changed, as in `OvsPorts`. */
class StartingPorts extends FakePorts {
  readonly connected = Promise.withResolvers<void>();
  isConnected = false;

  connect(): void {
    this.isConnected = true;
    this.connected.resolve();
  }

  override async whenConnected(signal: AbortSignal): Promise<void> {
    await untilAborted(this.connected.promise, signal);
  }

  override async detach(portUuids: readonly string[]): Promise<void> {
    if (!this.isConnected) throw new CniError(11, "not connected to Open vSwitch's database on this node");
    await super.detach(portUuids);
  }

  override all() {
    return this.isConnected ? super.all() : [];
  }
}

/** A daemon that has just started: nothing is known but the node's pods. */
function starting() {
  const clock = new ManualClock();
  const tunnels = Promise.withResolvers<void>();
  const stopping = new AbortController();
  const parts = { pods: new FakePods(), ports: new StartingPorts(), links: new FakeLinks(), lanes: new Lanes() };
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const node = { mtu: 0, encap: undefined as string | undefined, reason: "this node has not been listed" };
  const verbs = cniVerbs({
    ...parts,
    clock,
    journal: new Journal(new DaemonMetrics("weft-1", { processMetrics: false }), log),
    mtuOf: () => node.mtu,
    encapOf: () => node.encap,
    whenTunnelsKnown: (signal) => untilAborted(tunnels.promise, signal),
    renewFlows: async () => undefined,
    explain: async () => undefined,
    stopping: stopping.signal,
    deadlines: { ...DEFAULT_ALLOCATION_DEADLINES, installedMs: DEFAULT_INSTALLED_MS },
    onOrphaned: () => undefined,
    notReady: () => node.reason,
  });
  parts.pods.set("shop", "web-0", "u-1", ALLOCATED);
  const tunnelsKnown = (mtu: number, encap?: string): void => {
    Object.assign(node, { mtu, encap });
    tunnels.resolve();
  };
  return { ...parts, clock, verbs, stopping, tunnelsKnown };
}

/** What a request answers, undefined while it waits. */
function answerOf(request: Promise<unknown>): { readonly text: () => string | undefined } {
  let text: string | undefined;
  request.then(
    () => {
      text = "done";
    },
    (error: unknown) => {
      text = `${error instanceof CniError ? error.code : ""} ${String(error)}`;
    },
  );
  return { text: () => text };
}

const here = new AbortController().signal;

t.test("ADD waits for Open vSwitch's database and for the node's tunnels, and uses what it then knows", async (t) => {
  const { verbs, clock, ports, links, tunnelsKnown } = starting();
  const answer = answerOf(verbs.add(POD_BODY, here));
  await clock.advance(5_000);
  t.equal(answer.text(), undefined, "the database is not known");
  ports.connect();
  await clock.advance(5_000);
  t.equal(answer.text(), undefined, "the tunnels are not known");
  t.equal(links.pairs.size, 0, "nothing is created before that");
  tunnelsKnown(1342, "192.168.10.11");
  await clock.advance(0);
  t.equal(answer.text(), "done");
  t.equal(links.pairs.get("0123456789ab_h")?.mtu, 1342);
  t.equal([...ports.ports.values()][0]?.externalIds["encap-ip"], "192.168.10.11");
});

t.test("DEL, CHECK and GC wait for Open vSwitch's database, and then find the port of the pod", async (t) => {
  const requests = {
    del: POD_BODY,
    check: POD_BODY,
    gc: { cni_type: "kube-ovn", provider: "ovn", network_name: "kube-ovn", valid_attachments: [] },
  };
  for (const verb of ["del", "check", "gc"] as const) {
    const { verbs, clock, ports } = starting();
    const pod = { vendor: "kube-ovn", pod_name: "web-0", pod_namespace: "shop" };
    const externalIds = { ...pod, "iface-id": "web-0.shop", container_id: "0123456789abcdef", if_name: "eth0" };
    const port = { name: "0123456789ab_h", externalIds, error: "", installed: true };
    ports.ports.set("p", { ...port, portUuid: "p", interfaceUuid: "i" });
    const answer = answerOf(verbs[verb](requests[verb], here));
    await clock.advance(5_000);
    t.equal(answer.text(), undefined, verb);
    ports.connect();
    await clock.advance(0);
    if (verb === "check") t.notMatch(answer.text(), /no port on br-int/);
    else t.same([answer.text(), ports.ports.size], ["done", 0], verb);
  }
});

t.test("a request whose wait ends without the database says what is missing", async (t) => {
  for (const [verb, within] of [
    ["add", "30 s"],
    ["del", "20 s"],
  ] as const) {
    const { verbs, clock } = starting();
    const answer = answerOf(verbs[verb](POD_BODY, here));
    await clock.advance(30_000);
    t.match(answer.text(), `11 CniError: weft-daemon is not ready after ${within}: this node has not been listed`);
  }
});

t.test("a short time that the shim waits is kept", async (t) => {
  const { verbs, clock } = starting();
  const answer = answerOf(verbs.add({ ...POD_BODY, timeout_ms: 4_000 }, here));
  await clock.advance(2_000);
  t.match(answer.text(), /not ready after 2 s/);
});

t.test("an error that waiting does not end is answered at once", async (t) => {
  const { verbs, clock, ports, tunnelsKnown } = starting();
  ports.connect();
  tunnelsKnown(0);
  const answer = answerOf(verbs.add(POD_BODY, here));
  await clock.advance(0);
  t.match(answer.text(), /the MTU of this node's tunnels is not known/);
});

t.test("a daemon that shuts down while requests wait for its start answers them at once", async (t) => {
  const { verbs, clock, stopping } = starting();
  const answers = (["add", "del", "check"] as const).map((verb, n) =>
    answerOf(verbs[verb]({ ...POD_BODY, container_id: `${n}123456789abcdef` }, here)),
  );
  await clock.advance(1_000);
  stopping.abort(new Error("weft-daemon is shutting down"));
  await clock.advance(0);
  for (const { text } of answers) t.match(text(), /^11 .*weft-daemon is shutting down/);
});
