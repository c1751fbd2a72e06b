// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { SUBNET } from "../../api/annotations.ts";
import { encodeStaleFlows, type StaleFlows } from "../../contract/stale-udp-flows.ts";
import { SUBNETS } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert, update } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { until } from "../../ovsdb/testing/until.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { OvsView } from "../ovs/ovs-view.ts";
import { ControlError } from "../ovs/unixctl.ts";
import { StaleFlowsFlush, staleFlowsInformer } from "./stale-udp-flush.ts";

const V4 = { service: "10.96.0.10:53", endpoint: "10.16.0.2:5353" };
const V6 = { service: "[fd00:10:96::a]:53", endpoint: "[fd00:10:16::2]:5353" };
const FLUSH_V4 =
  "dpctl/flush-conntrack netdev@ovs-netdev ct_nw_dst=10.96.0.10,ct_nw_proto=17,ct_tp_dst=53 ct_nw_src=10.16.0.2,ct_nw_proto=17,ct_tp_src=5353";
const FLUSH_V6 =
  "dpctl/flush-conntrack netdev@ovs-netdev ct_ipv6_dst=fd00:10:96::a,ct_nw_proto=17,ct_tp_dst=53 ct_ipv6_src=fd00:10:16::2,ct_nw_proto=17,ct_tp_src=5353";

/** The cached flows are renewed. */
const RENEWED = ["revalidator/wait", "revalidator/wait"];

/** A node whose ovs-vswitchd records its commands. */
async function setup(t: Test, at: number, entries: readonly StaleFlows[] | string = []) {
  const [kube, server, bridge] = [fakeKube(), fakeOvsdb(VSWITCH), randomUUID()];
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, { bridges: [bridge] }),
    insert(VSWITCH, "Bridge", bridge, {
      ...{ name: "br-int", datapath_type: "netdev" },
      external_ids: { "ovn-nb-cfg": `${at}`, "ct-zone-a": "1" },
    }),
  ]);
  const annotations = (list: readonly StaleFlows[] | string) => ({
    [SUBNET.staleFlows]: typeof list === "string" ? list : encodeStaleFlows(list),
  });
  await kube.create(SUBNETS, { metadata: { name: "join", annotations: annotations(entries) } } as never);
  await kube.create(SUBNETS, { metadata: { name: "other" } } as never);
  const view = new OvsView(server.connect());
  const record = staleFlowsInformer(kube, "join", (error) => t.fail(String(error)), {});
  const commands: string[] = [];
  const warnings: string[] = [];
  const failures: (ControlError | undefined)[] = [];
  const listeners = new Set<() => void>();
  const announce = (): void => {
    for (const listener of listeners) listener();
  };
  const flush = new StaleFlowsFlush({
    ...{ view, record, clock: SYSTEM_CLOCK },
    log: {
      info: () => undefined,
      warn: (_, message) => {
        warnings.push(message);
        announce();
      },
    },
    control: async (...words) => {
      commands.push(words.join(" "));
      announce();
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      return "";
    },
  });
  t.teardown(async () => {
    await Promise.all([flush.stop(), record.stop()]);
    await server.close();
  });
  await view.mirror.whenSynced();
  flush.start();
  record.start();
  await record.whenSynced();
  return {
    ...{ commands, warnings, failures },
    /** Waits for this number of commands and warnings. */
    seen: (list: readonly string[], count: number) =>
      until(
        (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
        () => list.length >= count,
        `${count} of ${list.length}`,
      ),
    ended: (...list: readonly StaleFlows[]) =>
      kube.patch(SUBNETS, { name: "join" }, { type: "merge", body: { metadata: { annotations: annotations(list) } } }),
    malformed: () =>
      kube.patch(
        SUBNETS,
        { name: "join" },
        { type: "merge", body: { metadata: { annotations: { [SUBNET.staleFlows]: "{" } } } },
      ),
    installed: (cfg: number) =>
      server.edit(VSWITCH, [update(VSWITCH, "Bridge", bridge, { external_ids: { "ovn-nb-cfg": `${cfg}` } })]),
  };
}

t.test("flows to removed endpoints are deleted once the new flows are installed and active", async (t) => {
  const { commands, seen, ended, installed } = await setup(t, 41);
  const [before, next, last] = [
    { cfg: 41, flows: [V6] },
    { cfg: 42, flows: [V4, V6] },
    { cfg: 43, flows: [V4] },
  ];
  await ended(before, next);
  await seen(commands, 3);
  t.same(commands, [...RENEWED, FLUSH_V6], "only what ovn-controller has installed");
  await ended(before, next, last);
  await installed(42);
  await seen(commands, 7);
  t.same(commands.slice(3), [...RENEWED, FLUSH_V4, FLUSH_V6]);
  await installed(44);
  await seen(commands, 10);
  t.same(commands.slice(7), [...RENEWED, FLUSH_V4], "once each");
});

t.test("it does not matter whether ovn-controller or the record comes first", async (t) => {
  const { commands, seen, ended } = await setup(t, 50);
  await ended({ cfg: 42, flows: [V4] });
  await seen(commands, 3);
  t.equal(commands[2], FLUSH_V4);
});

t.test("flows that ended before the daemon started are not deleted", async (t) => {
  const { commands, seen, ended } = await setup(t, 50, [{ cfg: 42, flows: [V6] }]);
  await ended({ cfg: 42, flows: [V6] }, { cfg: 43, flows: [V4] });
  await seen(commands, 3);
  t.equal(commands[2], FLUSH_V4);
});

t.test("it is retried while ovs-vswitchd does not answer, but not if it refuses", async (t) => {
  const { commands, seen, failures, warnings, ended } = await setup(t, 50);
  failures.push(new ControlError("unreachable", "revalidator/wait", "ENOENT"));
  await ended({ cfg: 42, flows: [V4] });
  await seen(commands, 4);
  t.match(warnings, [/retrying/]);
  failures.push(new ControlError("refused", "revalidator/wait", "can't wait on multiple udpifs."));
  await ended({ cfg: 43, flows: [V4] });
  await seen(warnings, 2);
  t.match(warnings[1], /giving up/);
  await ended({ cfg: 44, flows: [V6] });
  await seen(commands, 8);
  t.same(commands.slice(4), ["revalidator/wait", ...RENEWED, FLUSH_V6]);
});

t.test("one flow that ovs-vswitchd refuses does not affect the others", async (t) => {
  const { commands, seen, failures, warnings, ended } = await setup(t, 50);
  failures.push(undefined, undefined, new ControlError("refused", "dpctl/flush-conntrack", "unknown family"));
  await ended({ cfg: 42, flows: [V6, V4] });
  await seen(commands, 4);
  t.same(commands, [...RENEWED, FLUSH_V6, FLUSH_V4]);
  await seen(warnings, 1);
  await ended({ cfg: 43, flows: [V4] });
  await seen(commands, 7);
  t.same(commands.slice(4), [...RENEWED, FLUSH_V4], "it is given up");
});

t.test("the record after one that is malformed when the daemon starts is used", async (t) => {
  const { commands, seen, ended } = await setup(t, 50, "{");
  await ended({ cfg: 43, flows: [V4] });
  await seen(commands, 3);
  t.same(commands, [...RENEWED, FLUSH_V4]);
});

t.test("flows that wait for a number of a former database are dropped when numbers start over", async (t) => {
  const { commands, seen, ended, installed } = await setup(t, 900);
  await ended({ cfg: 1000, flows: [V6] });
  await ended({ cfg: 1000, flows: [V6] }, { cfg: 2, flows: [V4] });
  await installed(2);
  await seen(commands, 3);
  await installed(1000);
  await ended({ cfg: 1001, flows: [V4] });
  await installed(1001);
  await seen(commands, 6);
  t.same(commands.slice(3), [...RENEWED, FLUSH_V4]);
});

t.test("a malformed record is ignored", async (t) => {
  const { commands, seen, warnings, malformed, ended } = await setup(t, 50);
  await malformed();
  await seen(warnings, 1);
  t.match(warnings, [/malformed; ignoring it/]);
  await ended({ cfg: 43, flows: [V4] });
  await seen(commands, 3);
});
