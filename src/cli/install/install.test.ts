// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { fakeKube } from "../../kube/testing/fake.ts";
import { droppedValues } from "./dropped-values.ts";
import type { Helm, Values } from "./helm-run.ts";
import { install } from "./install.ts";

const DEFAULTS = { mtu: 0, logLevel: "info", image: { tag: "" } };

/** An upgrade of a release with `recorded` values by `given` ones, and what helm and the checks were called for. */
function upgrade(recorded: Values | undefined, given: Values, resetValues: boolean) {
  const done: string[] = [];
  const helm: Helm = {
    effectiveValues: async () => ({ ...DEFAULTS, ...given }),
    givenValues: async () => given,
    recordedValues: async () => recorded,
    async install() {
      done.push("helm install");
      return "";
    },
    uninstall: async () => true,
  };
  const parts = {
    connection: { kube: fakeKube(), log: console as never },
    helm,
    check: async () => void done.push("check"),
    say: () => undefined,
    signal: new AbortController().signal,
  };
  const options = { namespace: "kube-system", release: "weft", dryRun: false, wait: false, timeoutMs: 1 };
  const values = { files: [], sets: [], image: undefined };
  return { done, ends: install(parts, { ...options, ...values, resetValues }) };
}

t.test("an upgrade that would drop values of the release is refused, and names them", async (t) => {
  const { done, ends } = upgrade({ mtu: 1400, image: { tag: "1" }, logLevel: "info" }, { logLevel: "debug" }, false);
  await t.rejects(ends, {
    code: "refused",
    message:
      /nothing was changed:\n {2}mtu: 1400 would become 0\n {2}image\.tag: "1" would become ""\nGive them again \(helm -n kube-system get values weft .*--reset-values/,
  });
  t.same(done, []);
});

t.test("an upgrade with all values, with --reset-values, or of nothing is not refused", async (t) => {
  for (const [recorded, given, reset] of [
    [{ mtu: 1400 }, { mtu: 1300 }, false],
    [{ mtu: 1400 }, {}, true],
    [undefined, { mtu: 1400 }, false],
  ] as const) {
    const { done, ends } = upgrade(recorded, given, reset);
    await ends;
    t.same(done, ["check", "helm install"]);
  }
});

t.test("values are compared inside maps, lists as one value, and only where they change", async (t) => {
  const recorded = {
    central: { replicas: 3, nodeSelector: { "a.b/c": "x" } },
    excludeIPs: ["10.16.0.9"],
    ovs: { resources: {} },
    ipFamily: "dual",
  };
  const next = {
    central: { replicas: 3, nodeSelector: {} },
    excludeIPs: [],
    ovs: { resources: { cpu: 1 } },
    ipFamily: "dual",
  };
  t.same(droppedValues(recorded, {}, next), [
    { path: "central.nodeSelector.a\\.b/c", from: "x", to: undefined },
    { path: "excludeIPs", from: ["10.16.0.9"], to: [] },
  ]);
  t.same(droppedValues(recorded, { excludeIPs: ["10.16.0.8"], central: null }, next), []);
});
