// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { Lanes } from "../cni/lanes.ts";
import { LostPorts } from "./lost-ports.ts";
import { OvsView } from "./ovs-view.ts";
import type { PortSpec } from "./ports.ts";

t.test("a port that cannot be restored is retried and does not affect the others", async (t) => {
  const server = fakeOvsdb(VSWITCH);
  await server.edit(VSWITCH, [insert(VSWITCH, "Open_vSwitch", undefined, {})]);
  const view = new OvsView(server.connect());
  await view.mirror.whenSynced();
  t.teardown(() => server.close());
  let broken = "a_h";
  const attached: string[] = [];
  const lost = new LostPorts({
    view,
    ports: {
      attach: async ({ name }: PortSpec) => {
        if (name === broken) throw new Error(`${name} is on another bridge`);
        attached.push(name);
      },
    },
    links: { exists: async () => true },
    lanes: new Lanes(),
    pods: { synced: false, get: () => undefined },
  });
  const ids = (name: string) => ({ "iface-id": name, container_id: name, pod_namespace: "shop", pod_name: name });
  for (const name of ["a", "b", "c"]) lost.expect(`${name}_h`, ids(name));
  const first = await lost.restore();
  t.match(first, { repairs: ["port b_h of pod shop/b", "port c_h of pod shop/c"], error: /another bridge/ });
  t.same([...lost.names()], ["a_h"]);
  broken = "";
  t.same(await lost.restore(), { repairs: ["port a_h of pod shop/a"] });
  t.same(attached, ["b_h", "c_h", "a_h"]);
});
