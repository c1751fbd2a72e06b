// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { ovnEipKind } from "../../src/kinds/ovn-eip.ts";
import type { ResourceType } from "../../src/kube/resources.ts";
import { fakeKube } from "../../src/kube/testing/fake.ts";
import { addressesGivenTwice } from "./addresses.ts";
import { faultsOf } from "./check.ts";
import { EXTERNAL_HISTORY, histories, historyText } from "./edits.ts";
import { PLANTS, PUTS, SAME_CHASSIS, WHILE_STOPPED } from "./plants.ts";

/** Number of histories that `npm test` runs. More: `hack/with-deps node test/histories/main.ts --runs N`. */
const RUNS = 6;

t.setTimeout(600_000);

t.test("after any edits, the rows do not depend on former states, and deleted objects leave nothing", async (t) => {
  const property = fc.asyncProperty(histories(30), async (history) => {
    const faults = await faultsOf(history);
    if (faults.length > 0) throw new Error(`${faults.slice(0, 12).join("\n")}\n${historyText(history)}`);
  });
  const limits = { seed: 1, numRuns: RUNS, interruptAfterTimeLimit: 300_000, markInterruptAsFailure: false };
  const { failed, errorInstance, numRuns } = await fc.check(property, limits);
  t.notOk(failed, errorInstance instanceof Error ? errorInstance.message : "");
  t.comment(`${numRuns} histories`);
});

t.test("histories without a mutation have no fault", async (t) => {
  for (const history of [PUTS, EXTERNAL_HISTORY, WHILE_STOPPED, SAME_CHASSIS]) t.same(await faultsOf(history), []);
});

for (const { bug, history, plant, found } of PLANTS) {
  t.test(`a mutation is found: ${bug}`, async (t) => {
    const faults = await faultsOf(history, plant);
    t.ok(
      faults.some((fault) => found.test(fault)),
      faults.join("\n") || "nothing was found",
    );
  });
}

t.test("an address that two objects have is found, whatever they are", async (t) => {
  const kube = fakeKube();
  const put = async (type: ResourceType, name: string, spec: object, status: object) => {
    await kube.create(type, { metadata: { name }, spec } as never);
    await kube.patch(type, { name }, { type: "merge", body: { status } }, { subresource: "status" });
  };
  for (const name of ["e1", "e2"]) await put(ovnEipKind.type, name, { externalSubnet: "out" }, { v4Ip: "172.30.0.5" });
  await put(ovnEipKind.type, "e3", { externalSubnet: "out" }, { v4Ip: "172.30.0.6" });
  await put(ovnEipKind.type, "e4", { externalSubnet: "other" }, { v4Ip: "172.30.0.6" });
  t.same(addressesGivenTwice(kube), ["OvnEip e2 and OvnEip e1 have 172.30.0.5 of subnet out"]);
});
