// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { routerLbRuleKind } from "../kinds/router-lb-rule.ts";
import { SUBNETS } from "../kube/resources.ts";
import { fakeKube } from "../kube/testing/fake.ts";
import { readObjects } from "./cluster-model.ts";

t.test("a cluster whose CustomResourceDefinitions are older can be read", async (t) => {
  const kube = fakeKube();
  kube.serveType(routerLbRuleKind.type, false);
  const objects = await readObjects(kube);
  t.equal(objects.get("routerLbRules")?.size, 0);
  kube.serveType(SUBNETS, false);
  await t.rejects(readObjects(kube), { code: "not-found" }, "but one without Subnets has no Weft");
});
