// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { byPod } from "./lab-inventory.ts";

t.test("a pod that stays may have a new interface, but a second or an orphaned one is detected", async (t) => {
  const of = (name: string, pod: string) => ({
    name,
    external_ids: { pod_name: pod, pod_namespace: "shop", if_name: "eth0" },
  });
  const rows = [of("a_h", "web"), of("b_h", "web"), { name: "ovn0", external_ids: {} }];
  t.same(byPod(["ovn0", "a_h"], rows), ["ovn0", "shop/web eth0"]);
  t.same(byPod(["ovn0", "b_h"], rows), ["ovn0", "shop/web eth0"]);
  t.same(byPod(["a_h", "b_h"], rows), ["shop/web eth0", "shop/web eth0"]);
  t.same(byPod(["c_h"], rows), ["c_h"]);
});
