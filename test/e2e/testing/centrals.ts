// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { runInImage } from "./shell.ts";

/** Three nodes, each with its own network and folders, on which the image's start-central runs. */
const NODES = `
ip link add br0 type bridge; ip link set br0 up; ip address add 10.0.0.254/24 dev br0
declare -A node=() main=()
make_node() { # N
  mkdir -p /n/$1/run /n/$1/etc /n/$1/weft-log
  unshare --net --mount bash -c "mkdir -p /run/ovn /etc/ovn /run/weft-log; mount --bind /n/$1/run /run/ovn; mount --bind /n/$1/etc /etc/ovn; mount --bind /n/$1/weft-log /run/weft-log; exec sleep infinity" & node[$1]=$!
  until [ "$(cat /proc/\${node[$1]}/comm)" = sleep ]; do sleep 0.01; done
  ip link add n$1 type veth peer name eth0 netns \${node[$1]}; ip link set n$1 master br0 up
  on $1 "ip link set lo up; ip link set eth0 up; ip address add 10.0.0.$1/24 dev eth0"
}
in_node() { local n=$1; shift; nsenter --target=\${node[$n]} --net --mount --root --wd "$@"; }
on() { local n=$1; shift; in_node $n bash -c "$*"; }
start() { # N [MEMBERS]
  nsenter --target=\${node[$1]} --net --mount --root --wd env OVN_TLS=\${tls:-false} OVN_CENTRALS=\${2-10.0.0.1,10.0.0.2,10.0.0.3} POD_IPS=10.0.0.$1 /opt/weft/bin/start-central >>/n/$1/log 2>&1 & main[$1]=$!
}
stop() { kill -TERM \${main[$1]}; wait \${main[$1]}; echo "$1 ended with $?"; }
crash() { kill -9 \${main[$1]} $(cat /n/$1/run/*.pid); wait \${main[$1]} 2>/dev/null; }
waits() { [ -e /n/$1/run/weft-waiting-nb ] || [ -e /n/$1/run/weft-waiting-sb ]; }
# It may begin to wait while it is asked.
works() { ! waits $1 && on $1 /opt/weft/bin/central-health && ! waits $1; }
unready() { ! on $1 /opt/weft/bin/central-health; }
all_work() { local n; for n in 1 2 3; do until_true 90 works $n && echo "$n works"; done; }
servers() { on $1 "ovn-appctl -t /run/ovn/ovn$2_db.ctl cluster/status $3" | sed -n '/^Servers:/,$p' | grep -o 'tcp:[^)]*' | sort; }
northds() { local n; for n in 1 2 3; do on $n "ovn-appctl -t ovn-northd status"; done | sort | uniq -c | sed 's/^ *//'; }
ask_nb() { ovn-nbctl --timeout=3 --db=tcp:10.0.0.1:6641,tcp:10.0.0.2:6641,tcp:10.0.0.3:6641 "$@"; }
# ovn-nbctl gives up where the first server that it tries does not answer.
nb() { until_true 30 ask_nb "$@"; }
add() { nb --may-exist ls-add $1; }
switches() { until_true 30 ask_nb show; ask_nb show | sed -n 's/^switch .* (\\(.*\\))/\\1/p' | sort; }
leader() { local n; for n in 1 2 3; do on $n "ovn-appctl -t /run/ovn/ovn$1_db.ctl cluster/status $2" 2>/dev/null | grep -q '^Role: leader' && echo $n; done; }
for n in 1 2 3; do make_node $n; done
`;

/** Runs a script on {@link NODES} and returns its output; `before` runs first. */
export function onCentrals(t: Test, script: string, before = ""): Promise<string> {
  return runInImage(t, `${before}\n${NODES}\n${script}\nkill \${node[@]}`);
}

/** The output of `all_work`. */
export const ALL_WORK = "1 works\n2 works\n3 works\n";
