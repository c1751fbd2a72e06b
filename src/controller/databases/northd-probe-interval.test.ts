// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t from "tap";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { insert } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { northdProbe } from "./northd-probe-interval.ts";
import { askOptions } from "./tunnel-bfd.ts";

t.test("northd leaves a member that hangs early, and a single server only after its own default", async (t) => {
  const server = fakeOvsdb(OVN_NB);
  t.teardown(() => server.close());
  await server.edit(OVN_NB, [insert(OVN_NB, "NB_Global", randomUUID(), { options: { mac_prefix: "82:67:75" } })]);
  const client = server.connect();
  t.teardown(() => client.close());
  await client.whenConnected();
  const options = () => server.rows(OVN_NB, "NB_Global")[0]?.options;
  const set = async (several: boolean): Promise<void> => {
    const [answer] = await client.transact(OVN_NB.name, [askOptions()]);
    const operations = northdProbe(answer, several);
    if (operations.length > 0) await client.transact(OVN_NB.name, operations);
  };
  await set(false);
  t.same(options(), { mac_prefix: "82:67:75" });
  await set(true);
  await set(true);
  t.same(options(), { mac_prefix: "82:67:75", northd_probe_interval: "2500" });
  await set(false);
  t.same(options(), { mac_prefix: "82:67:75" });
});

t.test("an administrator's probe interval of northd is kept", (t) => {
  const answer = { rows: [{ options: ["map", [["northd_probe_interval", "60000"]]] }] };
  t.same(northdProbe(answer, true), []);
  t.same(northdProbe(answer, false), []);
  t.end();
});
