// SPDX-License-Identifier: Apache-2.0

import { Command, CommanderError } from "commander";
import t from "tap";
import { readSettings, withSettings } from "./settings.ts";

function parse(...args: readonly string[]) {
  const command = withSettings(new Command().exitOverride().configureOutput({ writeErr: () => {} }), {});
  command.action(() => {}).parse(["node", "weft-controller", ...args]);
  return readSettings(command, {});
}

t.test("the database is probed after 5 s of silence, as by northd, or after the configured time", async (t) => {
  t.equal(parse().ovsdbInactivityS, 5);
  t.equal(parse("--ovsdb-inactivity-timeout=60").ovsdbInactivityS, 60);
  for (const wrong of ["0", "-1", "1.5", "3601", "never"]) {
    t.throws(() => parse(`--ovsdb-inactivity-timeout=${wrong}`), CommanderError, wrong);
  }
});
