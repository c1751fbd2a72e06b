// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ContractError } from "./document.ts";
import {
  ALL_VLANS,
  readKeptVlans,
  readUplinkState,
  readUplinks,
  type UplinkReport,
  uplinksText,
  writeUplinkStates,
} from "./uplinks.ts";

t.test("a node's networks are read as they were written", async (t) => {
  t.strictSame(
    readUplinks(
      uplinksText([
        ["blue", "eth1"],
        ["red", "bond0.7"],
      ]),
    ),
    { blue: "eth1", red: "bond0.7" },
  );
  t.strictSame(
    uplinksText([
      ["blue", "a name with blanks"],
      ["red", "eth1"],
    ]),
    { red: "eth1" },
    "no interface has the name",
  );
});

t.test("a field with another content makes the contract malformed", async (t) => {
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`net-${i}`, "eth1"]));
  for (const value of [undefined, null, "eth1", ["eth1"], { blue: 1 }, { blue: "" }, { blue: "a/b" }, many])
    t.throws(() => readUplinks(value), ContractError, JSON.stringify(value)?.slice(0, 40));
});

t.test("the states of a node's networks are read as the daemon wrote them, in one order", async (t) => {
  const up = { interface: "eth1", mtu: 1500 };
  const down = { reason: "InterfaceNotFound", message: "there is no eth2" };
  const text = writeUplinkStates(
    new Map<string, UplinkReport>([
      ["red", down],
      ["blue", up],
    ]),
  );
  t.equal(
    text,
    writeUplinkStates(
      new Map<string, UplinkReport>([
        ["blue", up],
        ["red", down],
      ]),
    ),
  );
  t.strictSame(readUplinkState(text, "blue"), up);
  t.strictSame(readUplinkState(text, "red"), down);
  t.equal(readUplinkState(text, "green"), undefined);
  t.equal(readUplinkState(undefined, "blue"), undefined);
});

t.test("a text that the daemon has not written is no state", async (t) => {
  const texts = [
    "",
    "{",
    "null",
    "[]",
    '"blue"',
    '{"blue":null}',
    '{"blue":["eth1"]}',
    '{"blue":{"interface":"eth1"}}',
    '{"blue":{"reason":"R"}}',
  ];
  for (const text of texts) t.equal(readUplinkState(text, "blue"), undefined, text);
  t.equal(readUplinkState('{"blue":{"interface":"eth1","mtu":1500}}'.padEnd(65_537), "blue"), undefined, "too long");
  for (const inherited of ["toString", "__proto__"]) t.equal(readUplinkState("{}", inherited), undefined, inherited);
});

t.test(
  "the VLAN sub-interfaces that ports replace are lists by the names of networks; another content is malformed",
  async (t) => {
    t.strictSame(readKeptVlans(undefined), {});
    const keptVlans = { blue: ["eth1.100"], red: [ALL_VLANS] };
    t.strictSame(readKeptVlans(keptVlans), { keptVlans });
    for (const value of [null, "eth1", ["eth1.100"], { blue: "eth1.100" }, { blue: [1] }])
      t.throws(() => readKeptVlans(value), { code: "invalid-field", field: "keptVlans" }, JSON.stringify(value));
  },
);
