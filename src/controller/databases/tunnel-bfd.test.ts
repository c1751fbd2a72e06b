// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t from "tap";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { insert } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

t.test("a leader sets the options of BFD that are not set, and writes nothing if all are", async (t) => {
  const { kube } = await cluster(t);
  const server = fakeOvsdb(OVN_NB);
  t.teardown(() => server.close());
  const options = { mac_prefix: "82:67:75", "bfd-mult": "9" };
  await server.edit(OVN_NB, [insert(OVN_NB, "NB_Global", randomUUID(), { options })]);
  const read = () => server.rows(OVN_NB, "NB_Global")[0]?.options ?? {};
  const first = candidate(t, kube, server);
  await eventually("they are set", () => read()["bfd-min-rx"]);
  t.same(read(), { ...options, "bfd-min-rx": "400", "bfd-min-tx": "400" }, "an administrator's stays");
  await first.stop();
  const written: unknown[] = [];
  server.onTransact = (operations) => {
    if (JSON.stringify(operations).includes('"mutate","table":"NB_Global"')) written.push(operations);
    return undefined;
  };
  const second = candidate(t, kube, server);
  await eventually("it leads", () => second.controller.leading || undefined);
  await eventually("it is quiet", () => second.controller.engine.idle || undefined);
  t.same(written, []);
});
