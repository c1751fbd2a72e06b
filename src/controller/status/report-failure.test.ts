// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { SAMPLE_CLUSTER } from "../../compile/testing/sample-facts.ts";
import type { Failure } from "../../desired/failures.ts";
import { unitId } from "../../desired/unit-kind.ts";
import { type FactStore, UnreadFactError } from "../../facts/store.ts";
import { projectProviderNetwork, providerNetworkKind } from "../../kinds/provider-network.ts";
import { factStore } from "../../kinds/store.ts";
import { failedObjects, failedUnit, INTERNAL_ERROR } from "./report-failure.ts";

const ABOUT = { type: providerNetworkKind.type, name: "net", uid: "u" };
const UNIT = providerNetworkKind.unit!.name;

function facts(): FactStore {
  const facts = factStore();
  facts.set("cluster", "cluster", SAMPLE_CLUSTER);
  const object = { metadata: { name: "net", uid: "u", generation: 1 }, spec: { defaultInterface: "eth1" } };
  facts.set("providerNetworks", "net", projectProviderNetwork(object));
  return facts;
}

const failure = (given: Partial<Failure>): Failure => ({
  ...{ part: "unit", where: "", kind: UNIT, key: "net", attempts: 1, error: new Error("a fault") },
  ...given,
});

t.test(
  "an object at which a unit fails has an Event and a condition that say so, with a part of the error",
  async (t) => {
    const [failed, ...others] = failedObjects(facts(), failure({ error: new Error("x".repeat(1000)) }));
    t.strictSame(others, []);
    t.strictSame(failed?.about, ABOUT);
    t.match(failed?.condition, { kind: "condition", name: "net", uid: "u", ready: false, reason: INTERNAL_ERROR });
    t.match(failed?.condition?.message, /its last accepted configuration stays active; retrying: x{300}$/);
  },
);

t.test("a failure to read an object is reported about the object, also if there is no fact of it", async (t) => {
  const given = { part: "projection", kind: providerNetworkKind.facts } as const;
  t.strictSame(
    failedObjects(facts(), failure(given)).map(({ about }) => about),
    [ABOUT],
  );
  const unread = failure({ ...given, key: "other", uid: "w" });
  t.strictSame(
    failedObjects(facts(), unread).map(({ about }) => about),
    [{ ...ABOUT, name: "other", uid: "w" }],
  );
  t.strictSame(failedObjects(facts(), failure({ ...given, key: "other" })), [], "nothing is known of it");
});

t.test("a failure to write a status is not reported in that status", async (t) => {
  const [failed] = failedObjects(facts(), failure({ part: "status", kind: providerNetworkKind.facts }));
  t.strictSame(failed, { about: ABOUT });
});

t.test("nothing is reported about an object that only depends on one that could not be read", async (t) => {
  const unread = new UnreadFactError("a subnet could not be read");
  t.strictSame(failedObjects(facts(), failure({ error: unread })), []);
  t.strictSame(failedObjects(facts(), failure({ error: new Error("derived", { cause: unread }) })), []);
  t.strictSame(failedObjects(facts(), failure({ kind: "no such unit" })), []);
});

t.test("after the failure of an object's fact its unit offers its effects again", async (t) => {
  t.equal(failedUnit(failure({ part: "projection", kind: providerNetworkKind.facts })), unitId(UNIT, "net"));
  t.equal(failedUnit(failure({})), undefined, "a failed unit is compiled again anyway");
});
