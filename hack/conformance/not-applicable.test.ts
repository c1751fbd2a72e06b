// SPDX-License-Identifier: Apache-2.0

import { test } from "tap";
import { goPattern, skippedSpecs } from "./not-applicable.ts";

await test("what --all skips depends on kube-proxy and on OVN's version", async (t) => {
  const skips = (mode: Parameters<typeof skippedSpecs>[0], name: string): boolean =>
    new RegExp(skippedSpecs(mode), "u").test(name);
  const [urls, large] = ["Networking should check kube-proxy urls", "should be able to handle large requests: udp"];
  const [old, current] = [{ ovn: "25.03.0" }, { ovn: "26.03.1" }];
  t.ok(skips({ ...current, kubeProxy: true }, "LoadBalancers [Feature:LoadBalancer] should work [Slow]"));
  t.notOk(skips({ ...current, kubeProxy: true }, "LoadBalancers should work"), "brackets are no class of characters");
  t.strictSame(
    [skips({ ...current, kubeProxy: true }, urls), skips({ ...current, kubeProxy: false }, urls)],
    [false, true],
  );
  t.strictSame(
    [skips({ ...current, kubeProxy: true }, large), skips({ ...old, kubeProxy: true }, large)],
    [false, true],
  );
});

await test("the pattern of a name matches that name only", async (t) => {
  const name = "[sig-network] Services should respect Pod (hostNetwork: true), a+b? $ ^ {2} * | \\ .";
  const pattern = new RegExp(`^${goPattern(name)}$`, "u");
  t.match(name, pattern);
  t.notMatch(`${name.slice(0, -1)}x`, pattern);
});
