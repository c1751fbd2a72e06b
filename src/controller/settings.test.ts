// SPDX-License-Identifier: Apache-2.0

import { Command, type CommanderError } from "commander";
import t from "tap";
import { readSettings, type Settings, withSettings } from "./settings.ts";

function parse(...args: readonly string[]) {
  const command = withSettings(new Command().exitOverride().configureOutput({ writeErr: () => {} }), {});
  command.action(() => {}).parse(["node", "weft-controller", ...args]);
  return readSettings(command, {});
}

/** What the user reads about a command line; undefined if it is accepted. */
function complaint(...args: readonly string[]): string | undefined {
  try {
    parse(...args);
    return undefined;
  } catch (error) {
    return (error as CommanderError).message.replace(/^error: option '\S+ <.*?>' argument /, "");
  }
}

t.test("the database is probed after 5 s of silence, as by northd, or after the configured time", async (t) => {
  t.equal(parse().ovsdbInactivityS, 5);
  t.equal(parse("--ovsdb-inactivity-timeout=60").ovsdbInactivityS, 60);
  for (const wrong of ["0", "-1", "1.5", "3601", "never"]) {
    t.equal(complaint(`--ovsdb-inactivity-timeout=${wrong}`), `'${wrong}' is invalid. must be 1 to 3600`);
  }
});

/** Flag, a value and how it is read, values that are refused and why. */
const VALUES: readonly (readonly [
  flag: string,
  setting: keyof Settings,
  value: string,
  read: unknown,
  wrong: readonly string[],
  why: string,
])[] = [
  [
    "default-cidr",
    "defaultCidr",
    "10.1.0.0/16,fd01::/64",
    "10.1.0.0/16,fd01::/64",
    ["10.1.0.0", "a,b"],
    "is not a valid CIDR, or a pair",
  ],
  [
    "node-cidrs",
    "nodeCidrs",
    "10.2.0.0/16,fd02::/64",
    ["10.2.0.0/16", "fd02::/64"],
    ["10.2.0.0/33"],
    "is not a valid CIDR.",
  ],
  [
    "service-node-port-range",
    "nodePorts",
    "30000-30999",
    { first: 30000, last: 30999 },
    ["30000", "9-1"],
    "is not a valid port range",
  ],
  ["metrics-port", "metricsPort", "0", 0, ["65536", "-1", "http", ""], "must be 0 to 65535"],
  ["domain-grace", "domainGraceS", "86400", 86_400, ["86401", "1m"], "must be 0 to 86400"],
  ["record-limit", "recordLimitMib", "8", 8, ["7", "1048577"], "must be 8 to 1048576"],
  ["certificate-days", "certificateDays", "3650", 3650, ["0", "3651"], "must be 1 to 3650"],
  ["sample-flows", "sampledPercent", "0.5", 0.5, ["101", "-1", ""], "is not a valid percentage"],
  ["enable-lb", "enableLb", "false", false, ["no", ""], "must be one of: true, false"],
];

for (const [flag, setting, value, read, wrong, why] of VALUES) {
  t.test(`--${flag} takes a valid value and refuses others with the reason`, async (t) => {
    t.strictSame(parse(`--${flag}=${value}`)[setting], read);
    for (const text of wrong) t.match(complaint(`--${flag}=${text}`), why, text);
  });
}
