// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseIp } from "../net/address.ts";
import { type AclView, byStage, decideStage, type NamedSets, type Packet } from "./acl-evaluation.ts";

const SETS: NamedSets = {
  portGroup: (name) => (name === "pods" ? new Set(["a", "b"]) : undefined),
  addressSet: () => [],
};

const PACKET: Packet = {
  inport: "a",
  outport: "b",
  source: parseIp("10.0.0.1")!,
  destination: parseIp("10.0.0.2")!,
  protocol: "TCP",
  destinationPort: 80,
};

function acl(
  tier: number,
  priority: number,
  action: AclView["action"],
  match: string,
  rest: Partial<AclView> = {},
): AclView {
  return { direction: "to-lport", tier, priority, action, match, ...rest };
}

function verdict(...acls: readonly AclView[]): string {
  const { verdict, by, passedBy } = decideStage(acls, PACKET, SETS);
  return [verdict, by === undefined ? "-" : acls.indexOf(by), ...passedBy.map((passed) => acls.indexOf(passed))].join(
    " ",
  );
}

t.test("the lowest tier decides, and in it the highest priority that matches", async (t) => {
  t.equal(verdict(), "allow -", "nothing matches");
  t.equal(verdict(acl(2, 2000, "drop", "outport == @pods"), acl(2, 2001, "allow-related", "tcp.dst == 80")), "allow 1");
  t.equal(verdict(acl(2, 2000, "drop", "outport == @pods"), acl(2, 2001, "allow-related", "tcp.dst == 81")), "drop 0");
  t.equal(verdict(acl(2, 9000, "drop", "1"), acl(1, 1, "allow", "1")), "allow 1");
  t.equal(verdict(acl(1, 5, "allow", "1"), acl(1, 5, "drop", "1")), "drop 1", "a tie goes to the strictest");
  t.equal(verdict(acl(0, 1, "reject", "tcp")), "reject 0");
});

t.test("pass leaves the decision to the next tier, also if other ACLs of the same tier match", async (t) => {
  const acls = [acl(1, 10, "pass", "tcp"), acl(1, 5, "drop", "1"), acl(2, 1, "drop", "tcp.dst == 80")];
  t.equal(verdict(...acls), "drop 2 0");
  t.equal(verdict(...acls.slice(0, 2)), "allow - 0", "passed by the last tier");
});

t.test("an ACL that OVN would not install decides nothing", async (t) => {
  t.equal(
    verdict(acl(0, 9, "drop", "tcp &&"), acl(0, 8, "drop", "outport == @gone"), acl(0, 1, "reject", "1")),
    "reject 2",
  );
});

t.test("ACLs are sorted by stage: direction, and the option apply-after-lb", async (t) => {
  const [first, late, last] = [
    acl(0, 1, "drop", "1", { direction: "from-lport" }),
    acl(0, 2, "drop", "1", { direction: "from-lport", options: { "apply-after-lb": "true" } }),
    acl(0, 3, "drop", "1"),
  ];
  t.same(byStage([last, late, first]), { "from-lport": [first], "from-lport-after-lb": [late], "to-lport": [last] });
});
