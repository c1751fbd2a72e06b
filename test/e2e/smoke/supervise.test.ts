// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { runInImage } from "../testing/shell.ts";

/**
 * A program with one of its own, and containers as the chart makes them: `start` with a PID namespace, as user 65534 without capabilities, with a read-only root
 * file system; `start_beside` with the node's PID namespace.
 */
const CONTAINERS = `
mkdir /run/fake; mount -t tmpfs fake /run/fake
cat >/opt/weft/bin/start-fake <<'SCRIPT'
#!/usr/bin/env bash
trap 'echo ending; sleep 0.2; exit 7' TERM
echo "started with $*"
[ "$1" != broken ] || exit 3
sleep 1000 &
(exec -a orphan sleep 0 &)
touch /run/fake/serves; wait
SCRIPT
chmod +x /opt/weft/bin/start-fake
in_container='mount -o remount,bind,ro / && exec setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --no-new-privs "$@"'
start() { unshare --mount --pid --fork --mount-proc sh -c "$in_container" sh /opt/weft/bin/supervise "$@" >/tmp/log 2>&1 & outer=$!; until_true 10 test -e /run/fake/serves; main=$(pgrep -P $outer); }
start_beside() { /opt/weft/bin/supervise "$@" >/tmp/log 2>&1 & main=$!; until_true 10 test -e /run/fake/serves; }
program() { pgrep -fx 'bash /opt/weft/bin/start-fake.*'; }
again() { rm -f /run/fake/serves; kill -9 $(program); until_true 10 test -e /run/fake/serves; }
said() { sed -E 's/"time":"[0-9TZ:-]+"/"time":now/' /tmp/log; }
`;

/** A line of the log of `supervise`, as `said` prints it. */
function line(level: number, code: number, rest: string): string {
  return `{"level":${level},"time":now,"msg":"weft-fake has ended with exit code ${code}${rest}"}\n`;
}

function inContainers(t: Test, script: string): Promise<string> {
  return runInImage(t, `${CONTAINERS}\n${script}`);
}

await t.test("a program that is killed starts again, without what it had started", async (t) => {
  const out = await inContainers(
    t,
    `
    for way in start start_beside; do
      rm -f /run/fake/serves; $way /opt/weft/bin/start-fake --flag='a b'; container=$main; again; again; said
      [ $(pgrep -c -fx 'sleep 1000') = 1 ] && [ $(program | wc -l) = 1 ] && echo one of each
      grep -q 'State:.Z' /proc/[0-9]*/status || echo no zombies; kill -0 $container && echo the container runs
      kill -TERM $container; wait \${outer:-$container}; echo "ended with $?"; outer=; program
    done
    `,
  );
  const started = "started with --flag=a b\n";
  const again = line(40, 137, "; starting it again");
  const each = `${started}${again}${started}${again}${started}one of each\nno zombies\nthe container runs\nended with 7\n`;
  t.equal(out, each + each);
});

await t.test("a program that ends for the sixth time within ten minutes ends the container", async (t) => {
  const out = await inContainers(
    t,
    `
    /opt/weft/bin/supervise /opt/weft/bin/start-fake broken >/tmp/log 2>&1; echo "ended with $?"; said | grep -c started; said | tail -n 1
    start /opt/weft/bin/start-fake; for i in 1 2 3 4 5; do again; done; kill -9 $(program); wait $outer; echo "ended with $?"; said | tail -n 1
    . /opt/weft/bin/common.sh
    for SECONDS in 0 1 2 3 599 600 601 602 602; do ends_too_often it 5 600 && echo too often at $SECONDS; done
    `,
  );
  const last = (code: number): string => line(50, code, ", for the sixth time within ten minutes");
  t.equal(out, `ended with 3\n6\n${last(3)}ended with 137\n${last(137)}too often at 602\n`);
});

await t.test("SIGTERM to the container ends the program, and waits for it", async (t) => {
  const out = await inContainers(
    t,
    `
    start /opt/weft/bin/start-fake; kill -TERM $main; kill -TERM $main; wait $outer; echo "ended with $?"; said; program
    rm /run/fake/serves; start /opt/weft/bin/start-fake; kill -STOP $(program); kill -TERM $main; sleep 0.5; kill -0 $main && echo it is waited for
    kill -CONT $(program); wait $outer; echo "ended with $?"; program
    `,
  );
  t.equal(out, "ended with 7\nstarted with \nending\nit is waited for\nended with 7\n");
});

await t.test("no program runs without its container", async (t) => {
  const out = await inContainers(
    t,
    `
    start_beside /opt/weft/bin/start-fake; kill -9 $main; gone() { [ -z "$(program)" ]; }; until_true 5 gone && echo gone
    `,
  );
  t.equal(out, "gone\n");
});

await t.test("a program starts again although its log has no reader any more", async (t) => {
  const out = await inContainers(
    t,
    `
    mkfifo /tmp/pipe; exec {reader}<>/tmp/pipe
    /opt/weft/bin/supervise /opt/weft/bin/start-fake 2>/tmp/pipe >/dev/null {reader}<&- & main=$!; until_true 10 test -e /run/fake/serves
    exec {reader}<&-; again && echo again; kill -TERM $main; wait $main; echo "ended with $?"
    `,
  );
  t.equal(out, "again\nended with 7\n");
});

await t.test("the plan has the flags of the controller that runs", async (t) => {
  const out = await inContainers(
    t,
    `
    printf '#!/bin/sh\\necho node "$@"; touch /run/fake/serves; exec sleep 1000\\n' >/usr/local/bin/node; chmod +x /usr/local/bin/node
    export OVN_NB_ADDR=tcp:192.0.2.1:6641 OVN_SB_ADDR=; start /opt/weft/bin/start-controller --enable-lb=false --default-exclude-ips=
    printf '#!/bin/sh\\necho node "$@"\\n' >/usr/local/bin/node; nsenter --target=$main --pid --mount --root --wd=/ /opt/weft/bin/start-controller plan
    cat /tmp/log
    `,
  );
  const flags =
    "node --max-semi-space-size=8 /opt/weft/lib/weft-controller.mjs --ovn-nb=tcp:192.0.2.1:6641 --ovn-sb= --enable-lb=false --default-exclude-ips=";
  t.equal(out, `${flags} plan\n${flags}\n`);
});
