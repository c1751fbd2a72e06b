// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { FakeKernel } from "../../node/testing/fake-kernel.ts";
import { ProbeSlots, SLOTS, tableOfSlot } from "./probe-slots.ts";

const texts = (slots: ReadonlyMap<string, number>) => [...slots].map(([link, slot]) => `${link} ${slot}`).sort();

t.test("a link keeps its slot while others are added and removed, and a free slot is reused", async (t) => {
  const slots = new ProbeSlots();
  const kernel = new FakeKernel();
  t.same(texts(slots.assign(["a", "b"], kernel)), ["a 1", "b 2"]);
  t.same(texts(slots.assign(["0", "b"], kernel)), ["0 1", "b 2"]);
  t.same(texts(slots.assign(["0", "a", "b", "c"], kernel)), ["0 1", "a 3", "b 2", "c 4"]);
});

t.test("after a restart the slots are read from the routes in the kernel", async (t) => {
  const kernel = new FakeKernel();
  kernel.createLink({ name: "b", kind: "dummy", up: true });
  kernel.addRoute({ destination: "0.0.0.0/0", device: kernel.link("b")!.index, table: tableOfSlot(5), protocol: 88 });
  kernel.addRoute({ destination: "0.0.0.0/0", device: kernel.link("b")!.index, table: 100, protocol: 88 });
  t.same(texts(new ProbeSlots().assign(["a", "b"], kernel)), ["a 1", "b 5"]);
});

t.test("links beyond the limit get none", async (t) => {
  const links = Array.from({ length: SLOTS + 2 }, (_, i) => `l${i}`);
  t.equal(new ProbeSlots().assign(links, new FakeKernel()).size, SLOTS);
});
