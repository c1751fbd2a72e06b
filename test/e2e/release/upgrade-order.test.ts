// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { scenario } from "../testing/entry-points.ts";

t.test("a switch that starts beside a northd of another version gets its flows, and then keeps them", async (t) => {
  const out = await scenario(
    t,
    `
    ready() { /opt/weft/bin/ovs-health ready; }
    matches() { [ "$(ovs-vsctl get open . external_ids:ovn-match-northd-version)" = '"'$1'"' ] && grep -q ovn-match-northd-version=$1 /run/openvswitch/weft-settings; }
    version() { ovn-sbctl --bare get SB_Global . options:northd_internal_version; }
    port() { ovn-nbctl --wait=sb lsp-add one $1 -- lsp-set-addresses $1 "02:00:00:00:00:0$2 10.0.0.$2"; }
    start start-central; central=$main; start start-ovs; ovs=$main
    until_true 60 ready && until_true 40 matches true && echo "the same version: it matches"
    ovn-nbctl --wait=sb ls-add one; port p1 1; ovs-vsctl add-port br-int p1 -- set interface p1 type=internal external_ids:iface-id=p1
    until_true 40 eval 'ovn-sbctl --bare --columns=chassis find Port_Binding logical_port=p1 | grep -q .' && echo "a port is bound"
    kill -STOP $(pid ovn/ovn-northd); ovn-sbctl set SB_Global . options:northd_internal_version=other
    kill -TERM $ovs; wait $ovs; start start-ovs; ovs=$main
    until_true 60 ready && until_true 40 matches true && echo "another version: flows, then it matches"
    kill -9 $(pid openvswitch/ovs-vswitchd); until_true 40 says start-ovs 'ovs-vswitchd has ended' && echo "it is started again"
    until_true 60 ready && until_true 40 matches true && echo "a switch that has died gets them too"
    version
    ovs-vsctl add-port br-int p2 -- set interface p2 type=internal external_ids:iface-id=p2
    kill -CONT $(pid ovn/ovn-northd); until_true 40 eval '! version | grep -q other'; port p2 2
    until_true 40 eval 'ovn-sbctl --bare --columns=chassis find Port_Binding logical_port=p2 | grep -q .' && echo "northd has this version: changes are applied again"
    kill -TERM $central $ovs; wait`,
  );
  t.match(
    out,
    "the same version: it matches\na port is bound\nanother version: flows, then it matches\nit is started again\na switch that has died gets them too\nother\nnorthd has this version: changes are applied again\n",
  );
});
