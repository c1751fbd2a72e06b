// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { FakeNftables } from "../daemon/testing/fake-node.ts";
import type { Results } from "./driver.ts";
import { NftTables } from "./nftables.ts";
import { FakeKernel } from "./testing/fake-kernel.ts";

const NAME = "inet weft";
const script = (text: string): string => `table ${NAME} { ${text} }`;

function setup() {
  const nft = new FakeNftables();
  const tables = new NftTables(nft);
  const kernel = new FakeKernel();
  const driver = tables.driver(kernel);
  const pass = async (...texts: string[]): Promise<Results> => {
    const results: Results = { repairs: [], missing: new Set(), blocked: [], failures: [] };
    const state = { tables: texts.map((text) => ({ name: NAME, script: script(text) })) };
    await (await driver.plan(state, results)).apply("remove");
    await (await driver.plan(state, results)).apply("set");
    return results;
  };
  const changes = async (...texts: string[]): Promise<number> => (await pass(...texts)).repairs.length;
  return { nft, tables, kernel, driver, pass, changes };
}

t.test("a table is applied when it differs, and again after a failure", async (t) => {
  const { nft, pass, changes } = setup();
  t.same([await changes("a"), await changes("a"), await changes("b")], [1, 0, 1]);
  nft.broken = true;
  t.match((await pass("c")).failures, [{ what: "rules table inet weft of nftables", error: /nft broke/ }]);
  nft.broken = false;
  t.equal(await changes("b"), 1, "the state after a failure is unknown");
  t.same(nft.scripts, ["a", "b", "b"].map(script));
});

t.test("a table that another program has changed is applied again, and is listed only after changes", async (t) => {
  const { nft, tables, changes } = setup();
  let calls = 0;
  const stop = tables.watch(() => {
    calls += 1;
  });
  await changes("a");
  t.equal(calls, 1, "the kernel reports Weft's own change as well");
  t.same([await changes("a"), nft.lists], [0, 2], "which turns out to be Weft's");
  t.same([await changes("a"), nft.lists], [0, 2]);
  nft.change(NAME, "");
  t.equal(calls, 2);
  t.same([await changes("a"), nft.all.get(NAME)], [1, script("a")], "deleted");
  nft.change(NAME, "a, and more");
  t.same([await changes("a"), nft.all.get(NAME)], [1, script("a")], "added to");
  stop();
  t.equal(nft.watchers.size, 0);
});

t.test("a table that is changed again while it is restored does not count as Weft's", async (t) => {
  const { nft, tables, changes } = setup();
  tables.watch(() => undefined);
  await changes("a");
  await changes("a");
  nft.change(NAME, "");
  // The first list shows that it was deleted, the second is after it was restored.
  const list = nft.list.bind(nft);
  let lists = 0;
  nft.list = async (table) => {
    lists += 1;
    if (lists === 2) nft.change(NAME, "flushed");
    return await list(table);
  };
  await changes("a");
  t.equal(nft.all.get(NAME), script("a"));
  t.equal(await changes("a"), 0);
});

t.test("a table of Weft that is not wanted is removed, also one of an earlier process; others stay", async (t) => {
  const { nft, pass, changes } = setup();
  const others = ["netdev weft-tunnel", "inet weft-extra", "inet weftish", "inet kube-proxy", "ip filter"];
  for (const name of ["inet weft/qos", "ip weft", ...others]) nft.all.set(name, "x");
  await changes("a");
  t.same([...nft.all.keys()], [...others, NAME]);
  t.same((await pass()).repairs, ["rules table inet weft of nftables (no longer wanted)"]);
  t.same([...nft.all.keys()], others);
});

t.test("a table waits for its interface", async (t) => {
  const { nft, kernel, driver } = setup();
  const results: Results = { repairs: [], missing: new Set(), blocked: [], failures: [] };
  const state = { tables: [{ name: NAME, script: script("a"), link: "ovn0" }] };
  await (await driver.plan(state, results)).apply("set");
  t.same(nft.scripts, []);
  kernel.createLink({ name: "ovn0", kind: "openvswitch" });
  await (await driver.plan(state, results)).apply("set");
  t.same(nft.scripts, [script("a")]);
});
