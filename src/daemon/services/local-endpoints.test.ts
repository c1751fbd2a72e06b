// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ENDPOINT_SLICES } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { LocalEndpoints, readLocalSlice } from "./local-endpoints.ts";

const slice = (endpoints: Parameters<typeof readLocalSlice>[0]["endpoints"]) => ({
  metadata: {
    name: "web-abc",
    namespace: "default",
    uid: "u",
    resourceVersion: "1",
    labels: { "kubernetes.io/service-name": "web" },
  },
  ports: [{ name: "http", protocol: "TCP", port: 8080 }],
  ...(endpoints && { endpoints }),
});
const texts = (list: readonly { ip: { text: string }; port: string; number: number }[] = []) =>
  list.map(({ ip, port, number }) => `${ip.text} ${port} ${number}`);

t.test("a slice counts endpoints on the node, and terminating ones that still serve", async (t) => {
  const read = readLocalSlice(
    slice([
      { addresses: ["10.16.0.2"], nodeName: "weft-1" },
      { addresses: ["10.16.0.3"], nodeName: "weft-2" },
      { addresses: ["10.16.0.4"], nodeName: "weft-1", conditions: { ready: false, serving: true, terminating: true } },
      { addresses: ["10.16.0.5"], nodeName: "weft-1", conditions: { ready: false } },
    ]),
    "weft-1",
  );
  t.equal(read?.service, "default/web");
  t.same(texts(read?.ready), ["10.16.0.2 http 8080"]);
  t.same(texts(read?.draining), ["10.16.0.4 http 8080"]);
  t.same(texts(read?.elsewhere), ["10.16.0.3 http 8080"]);
  const terminating = { ready: false, serving: true, terminating: true };
  const far = slice([{ addresses: ["10.16.0.3"], nodeName: "weft-2", conditions: terminating }]);
  t.equal(readLocalSlice(far, "weft-1"), undefined);
  t.equal(readLocalSlice(slice(undefined), "weft-1"), undefined);
});

t.test("it follows the endpoints of the given Services, and of no others", async (t) => {
  const clock = new ManualClock();
  const fake = fakeKube({ clock });
  const waiters = new Set<() => void>();
  const local = new LocalEndpoints(
    { kube: fake, node: "weft-1", time: { clock } },
    (error) => void t.fail(String(error)),
    () => {
      for (const waiter of waiters) waiter();
    },
  );
  t.teardown(() => local.stop());
  const terminating = { ready: false, serving: true, terminating: true };
  const create = (service: string, address: string) =>
    fake.create(ENDPOINT_SLICES, {
      ...slice([
        { addresses: [address], nodeName: "weft-1", ...(service === "late" && { conditions: terminating }) },
        { addresses: [`${address}1`], nodeName: "weft-2" },
      ]),
      metadata: { name: `${service}-1`, namespace: "default", labels: { "kubernetes.io/service-name": service } },
    });
  const seen = (): readonly string[] => [...local.byService()].map(([key, list]) => `${key} ${list[0]?.ip.text}`);
  const until = (wanted: readonly string[]): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!local.synced || [...seen()].sort().join() !== wanted.join()) return;
        waiters.delete(look);
        resolve();
      };
      waiters.add(look);
      look();
    });
  await create("web", "10.16.0.2");
  await create("other", "10.16.0.3");
  local.follow([]);
  t.ok(local.synced, "there is nothing to wait for");
  local.follow(["default/web"]);
  t.notOk(local.synced);
  await until(["default/web 10.16.0.2"]);
  local.follow(["default/web", "default/late"]);
  t.same(seen(), ["default/web 10.16.0.2"], "the known endpoints stay until the new list is complete");
  await until(["default/web 10.16.0.2"]);
  await create("late", "10.16.0.4");
  await until(["default/late 10.16.0.4", "default/web 10.16.0.2"]);
  t.same(
    [...local.everywhere()].map(([key, list]) => `${key} ${list.map(({ ip }) => ip.text).join()}`).sort(),
    ["default/late 10.16.0.41", "default/web 10.16.0.2,10.16.0.21"],
    "the ready ones of all nodes",
  );
  local.follow([]);
  t.same(seen(), []);
});
