// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { runInImage } from "../testing/shell.ts";

/** Both databases with 20 switches in the northbound one; files are small enough for disks of some KiB. */
const DATABASES = `
mkdir -p /run/ovn /etc/ovn/weft-backup
serve() { # nb|sb FILE
  ovsdb-server --detach --no-chdir --pidfile=/run/ovn/$1.pid --unixctl=/run/ovn/ovn$1_db.ctl --remote=punix:/run/ovn/ovn$1_db.sock -vconsole:off $2
}
for db in nb sb; do ovsdb-tool create /tmp/$db.db /usr/share/ovn/ovn-$db.ovsschema; serve $db /tmp/$db.db; done
ovn-nbctl $(printf -- '-- ls-add switch%s ' $(seq 20))
names() { ls /etc/ovn/weft-backup | sed 's/-20[0-8][0-9].*/-now/'; }
`;

function withDatabases(t: Test, script: string): Promise<string> {
  return runInImage(t, `${DATABASES}\n${script}`);
}

await t.test("a backup is kept although the clock was years ahead when the others were made", async (t) => {
  const out = await withDatabases(
    t,
    `
    for year in 2097 2098 2099; do for db in nb sb; do echo "$year" >/etc/ovn/weft-backup/ovn\${db}_db-\${year}0101T000000Z.db; done; done
    /opt/weft/bin/back-up-databases 2; echo "ended with $?"; names
    sleep 1; /opt/weft/bin/back-up-databases 2; names
    `,
  );
  const both = (...times: string[]): string =>
    ["nb", "sb"].flatMap((db) => times.map((time) => `ovn${db}_db-${time}\n`)).join("");
  t.equal(out, `ended with 0\n${both("now", "20990101T000000Z.db")}${both("now", "now")}`);
});

await t.test("a backup that does not fit on the disk is reported and not kept, and the others stay", async (t) => {
  const out = await withDatabases(
    t,
    `
    for kib in 20 36 60; do
      mount -t tmpfs -o size=\${kib}k small /etc/ovn/weft-backup
      /opt/weft/bin/back-up-databases 2 2>/dev/null; echo "ended with $?"
      for file in /etc/ovn/weft-backup/*.db; do [ ! -e $file ] || ovsdb-tool show-log $file >/dev/null || echo "$kib KiB: incomplete $file"; done
      umount /etc/ovn/weft-backup
    done | sort | uniq -c | sed 's/^ *//'
    `,
  );
  t.equal(out, "1 ended with 0\n2 ended with 1\n");
});

await t.test("a backup that is incomplete is not restored", async (t) => {
  const out = await withDatabases(
    t,
    `
    /opt/weft/bin/back-up-databases 2; cd /etc/ovn/weft-backup; file=$(ls ovnnb_db-*); truncate --size=-100 $file
    /opt/weft/bin/central-member restore $file 2>&1 | grep -o 'is incomplete; nothing was changed'; ovn-nbctl ls-list | wc -l
    `,
  );
  t.equal(out, "is incomplete; nothing was changed\n20\n");
});

await t.test("a raft member's data is not given up because the disk is too full to convert it", async (t) => {
  const out = await withDatabases(
    t,
    `
    kill $(cat /run/ovn/nb.pid); ip address add 10.0.0.3/8 dev lo; mount -t tmpfs -o size=200k small /etc/ovn; cd /etc/ovn
    ovsdb-tool create-cluster ovnnb_db.db /usr/share/ovn/ovn-nb.ovsschema tcp:[10.0.0.3]:6643 2>/dev/null; serve nb ovnnb_db.db 2>/dev/null
    until_true 10 ovsdb-client wait unix:/run/ovn/ovnnb_db.sock OVN_Northbound connected; ovn-nbctl ls-add kept; kill $(cat /run/ovn/nb.pid)
    until_true 10 test ! -e /run/ovn/nb.pid; head -c 1M /dev/zero >filler 2>/dev/null
    . /opt/weft/bin/common.sh; schema=/usr/share/ovn/ovn-nb.ovsschema
    (set -e; ensure_database $PWD/ovnnb_db.db $schema) 2>&1 | grep -o 'weft: .*'; ls
    rm filler; (set -e; ensure_database $PWD/ovnnb_db.db $schema) 2>/dev/null; ls
    ovsdb-tool query ovnnb_db.db '["OVN_Northbound",{"op":"select","table":"Logical_Switch","where":[],"columns":["name"]}]'
    `,
  );
  const file = "/etc/ovn/ovnnb_db.db";
  t.equal(
    out,
    `weft: ${file} was a member of a raft cluster; going on with its data as a single server
weft: there is no space to convert ${file}; nothing was changed
filler
ovnnb_db.db
ovnnb_db.db
ovnnb_db.db.before-conversion
ovnnb_db.db.clustered
[{"rows":[{"name":"kept"}]}]
`,
  );
});
