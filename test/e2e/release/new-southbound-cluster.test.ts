// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { scenario } from "../testing/entry-points.ts";

t.test("a node connects to a southbound cluster that was created again", { timeout: 150_000 }, async (t) => {
  const out = await scenario(
    t,
    `
    sb() { ovn-sbctl --timeout=5 --db=unix:/tmp/sb.sock "$@"; }
    serve() {
      rm -f /tmp/sb.db; ovsdb-tool create-cluster /tmp/sb.db /usr/share/ovn/ovn-sb.ovsschema tcp:127.0.0.1:6644
      ovsdb-server --detach --pidfile=/tmp/sb.pid --unixctl=/tmp/sb.ctl --remote=punix:/tmp/sb.sock --remote=ptcp:6642:127.0.0.1 --log-file=/tmp/sb.log /tmp/sb.db
      until_true 20 sb init
    }
    connected() { [ "$(ovn-appctl -t ovn-controller connection-status)" = connected ]; }
    refused() { grep -q 'stale data' /tmp/start-ovs.log; }
    serve; for i in $(seq 1 30); do sb chassis-add c$i geneve 192.0.2.$i; done
    start start-ovs; until_true 30 connected && echo connected
    ovs-appctl -t /tmp/sb.ctl exit; until_true 5 test ! -e /tmp/sb.pid; serve
    until_true 30 refused && echo refused; until_true 60 connected && echo "connected again"
    stop
    `,
  );
  t.match(out, "connected\nrefused\nconnected again\nended with 0\n");
});
