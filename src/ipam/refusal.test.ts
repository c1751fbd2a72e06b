// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { eventMessage, listOf, refuse } from "./refusal.ts";

t.test("an Event has Kube-OVN's error name, or ours if it has none, and then the message", async (t) => {
  const said = (code: Parameters<typeof refuse>[0]): string => eventMessage(refuse(code, "So it is."));
  t.equal(said("NoAvailableAddress"), "NoAvailableAddress: So it is.");
  t.equal(said("AddressIsGateway"), "AddressConflict: So it is.");
  t.equal(said("MacInUse"), "AddressConflict: So it is.");
  t.equal(said("AddressOutOfSubnet"), "AddressOutOfRange: So it is.");
  t.equal(said("FamilyMismatch"), "InvalidIPFamily: So it is.");
  t.equal(said("SubnetUnknown"), "NoSubnet: So it is.");
  t.equal(said("AnnotationUnknown"), "AnnotationUnknown: So it is.");
});

t.test("a list names a few and counts the rest", async (t) => {
  t.equal(listOf([]), "none");
  t.equal(listOf(["a"]), "a");
  t.equal(listOf(["a", "b", "c"]), "a, b and c");
  t.equal(listOf(["a", "b", "c"], 2), "a, b and 1 more");
});
