// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { EXTERNAL_ID, type PodPort } from "../ovs/ports.ts";
import { type CollectInput, findOrphans } from "./find-orphans.ts";
import type { HostEnd } from "./pod-links.ts";

const MARK = { uid: "u-1", containerId: "aaaaaaaaaaaaaaaa", ifName: "eth0", provider: "ovn", pod: "shop/web-0" };
const end = (name: string, more: Partial<HostEnd> = {}): HostEnd => ({
  ...{ name, isOurs: true, isForeign: false, isUnfinished: false, mark: MARK },
  ...more,
});
const port = (name: string, ids: Readonly<Record<string, string>> = {}): PodPort => ({
  ...{ portUuid: name, interfaceUuid: name, name, error: "", installed: true },
  externalIds: {
    [EXTERNAL_ID.ifaceId]: "web-0.shop",
    pod_name: "web-0",
    pod_namespace: "shop",
    pod_uid: "u-1",
    ...ids,
  },
});
const IDS = { [EXTERNAL_ID.ifaceId]: "web-0.shop" };

function find(more: Partial<CollectInput>) {
  const input = {
    ports: [],
    ends: [],
    uidsOf: () => ["u-1"],
    idsOf: () => IDS,
    podsKnown: true,
    busy: new Set<string>(),
  };
  const { ports, links, portless } = findOrphans({ ...input, ...more });
  return {
    ports: ports.map(({ port: { name }, why }) => `${name}: ${why}`),
    links: links.map(({ name, why }) => `${name}: ${why}`),
    portless: portless.map(({ name }) => name),
  };
}
const NOTHING = { ports: [], links: [], portless: [] };

t.test("a marked interface without a port is restored, collected or kept, according to its pod", async (t) => {
  const ends = [end("a_h")];
  t.same(find({ ends }), { ...NOTHING, portless: ["a_h"] }, "its pod exists");
  t.same(find({ ends, idsOf: () => undefined }), { ...NOTHING, links: ["a_h: no pod"] });
  t.same(find({ ends, idsOf: () => "unclear" }), NOTHING, "its pod's annotations cannot be read");
  t.same(find({ ends, podsKnown: false }), NOTHING, "the pods are not known yet");
  t.same(find({ ends, busy: new Set(["a_h"]) }), NOTHING, "a request is running");
  const both = { ends: [end("a_h"), end("b_h")], ports: [port("b_h")] };
  t.same(find(both), { ...NOTHING, links: ["a_h: another interface"] }, "the pod has a new one");
  t.same(find({ ends: [end("a_h", { mark: undefined })] }), NOTHING, "it does not name its pod");
  t.same(find({ ends: [end("a_h", { mark: undefined, isUnfinished: true })], podsKnown: false }), {
    ...NOTHING,
    links: ["a_h: unfinished"],
  });
});

t.test("an orphaned port is removed with its interface, also one that an earlier version did not mark", async (t) => {
  const unmarked = { isOurs: false, mark: undefined };
  const stale = { ports: [port("a_h")], uidsOf: () => undefined };
  t.same(find({ ...stale, ends: [end("a_h", unmarked)] }), {
    ports: ["a_h: no pod"],
    links: ["a_h: its port is"],
    portless: [],
  });
  t.same(
    find({ ...stale, ends: [end("a_h", { ...unmarked, isForeign: true })] }).links,
    [],
    "unless another program has marked it",
  );
  t.same(find({ ports: [port("a_h")] }).ports, ["a_h: no interface"]);
});

t.test("an interface without Weft's mark and without a port of Weft is never changed, whatever its name", async () => {
  const name = fc.stringMatching(/^[a-z0-9]{1,12}(_h)?$/);
  fc.assert(
    fc.property(fc.array(name), fc.array(name), fc.boolean(), fc.boolean(), (others, ours, podsKnown, isForeign) => {
      const foreign = others.filter((other) => !ours.includes(other));
      const ends = [
        ...foreign.map((other) => end(other, { isOurs: false, mark: undefined, isForeign })),
        ...ours.map((each) => end(each)),
      ];
      const { links, portless } = findOrphans({
        ...{ ends, ports: [], uidsOf: () => undefined, idsOf: () => undefined, podsKnown, busy: new Set<string>() },
      });
      return [...links, ...portless].every((left) => !foreign.includes(left.name));
    }),
  );
});
