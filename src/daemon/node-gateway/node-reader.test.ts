// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NodeReader } from "./node-reader.ts";

const JOINED = {
  "ovn.kubernetes.io/ip_address": "100.64.0.2",
  "ovn.kubernetes.io/mac_address": "02:00:00:00:00:02",
  "ovn.kubernetes.io/cidr": "100.64.0.0/16",
  "ovn.kubernetes.io/gateway": "100.64.0.1",
};

t.test("annotations that are removed from a node or malformed leave the last valid contract", async (t) => {
  const logged: string[] = [];
  const reader = new NodeReader({
    warn: (fields, message) => void logged.push(`${message} ${JSON.stringify(fields)}`),
  });
  const read = (annotations: Record<string, string>, uid = "n") =>
    reader.read({ metadata: { name: "weft-1", uid, resourceVersion: "1", annotations } }).contract;
  const malformed = { ...JOINED, "ovn.kubernetes.io/mac_address": "x" };
  t.match(read({}), /has not allocated an address in the join subnet to this node/);
  t.match(read(malformed), /^this node's contract is malformed: annotation ovn\.kubernetes\.io\/mac_address="x"/);
  const good = read(JOINED);
  t.match(good, { mac: "02:00:00:00:00:02", addresses: [{ ip: { text: "100.64.0.2" } }] });
  t.equal(read({}), good);
  t.equal(read(malformed), good);
  t.equal(read(malformed), good);
  t.equal(read({ ...JOINED, "weft.kubeovn.io/node-contract": '{"version":2}' }), good);
  t.match(logged, [/its network stays as it is/, /the last valid one/, /the last valid one.*unsupported-version/]);
  t.equal(logged.length, 3, "each once");
  t.match(
    read({}, "another"),
    /has not allocated an address/,
    "a new Node of the same name keeps nothing of the former one",
  );
});
