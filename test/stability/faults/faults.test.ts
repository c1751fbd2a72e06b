// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { TestBed } from "../testing/bench.ts";

/** A run of five seconds with one fault after the first second. */
function task(fault: string, seconds: number): string {
  return `title: test
runs:
  - name: one
    load: [{ scenario: { work: }, runner: { rps: { rps: 10, seconds: 3 } } }]
    hooks: [{ fault: ${fault}, at: { seconds: 1 }, for: ${seconds} }]
    settle: 0
`;
}

/** The actions on the target, without the end of the scenario. */
async function done(bench: TestBed, fault: string, seconds = 2): Promise<readonly string[]> {
  const result = await bench.run(task(fault, seconds));
  bench.said.push(...(result.runs[0]?.repeats[0]?.problems ?? []).map(({ code, text }) => `${code}: ${text}`));
  return bench.target.done.filter((what) => !what.startsWith("stopped"));
}

t.test("kill and restart end the given processes of a part, and wait for new ones", async (t) => {
  t.same(await done(new TestBed(t), "kill vswitchd service"), ["SIGKILL vswitchd/n1", "SIGKILL vswitchd/n2"]);
  t.same(await done(new TestBed(t), "restart etcd"), ["SIGTERM etcd/n1"]);
  t.same(await done(new TestBed(t), "kill daemon on n2"), ["SIGKILL daemon/n2"]);
});

t.test("a part that runs nowhere, or not on that node, breaks the run", async (t) => {
  const bench = new TestBed(t);
  await done(bench, "kill daemon on n7");
  t.match(bench.said.at(-1), "fault: no daemon runs on n7");
});

t.test("a part that runs nowhere is waited for ten seconds, however long it takes to look for it", async (t) => {
  const bench = new TestBed(t);
  let looks = 0;
  bench.target.processes = async () => {
    looks += 1;
    await new Promise<void>((resolve) => void bench.clock.after(900, resolve));
    return [];
  };
  await done(bench, "kill nb leader service");
  t.match(bench.said.at(-1), "fault: no nb (leader) runs");
  t.ok(looks < 15, `${looks} looks`);
});

t.test("a node that crashed boots at the end of the fault", async (t) => {
  t.same(await done(new TestBed(t), "crash n2"), ["crash n2", "boot n2"]);
  const bench = new TestBed(t);
  await done(bench, "crash n9");
  t.match(bench.said.at(-1), "fault: there is no node n9; the target has n1, n2");
});

t.test("a partition cuts both directions or one, and is healed", async (t) => {
  t.same(await done(new TestBed(t), "disconnect n1 from others"), ["cut n1 n2", "cut n2 n1", "heal"]);
  t.same(await done(new TestBed(t), "disconnect n1 to control-plane"), ["cut n1 control-plane", "heal"]);
});

t.test("links flap until the fault ends", async (t) => {
  const did = await done(new TestBed(t), "{ flap: { node: n1, down: 0.5, up: 0.5 } }");
  t.equal(did.filter((what) => what === "cut n1 n2").length, 2);
  t.equal(did.at(-1), "heal");
});

t.test("a command is undone by another", async (t) => {
  t.same(await done(new TestBed(t), "{ command: { name: x, node: n2, begin: [a, b], end: [c] } }"), [
    "n2: a b",
    "n2: c",
  ]);
});

t.test("a backup is taken at the beginning and restored at the end", async (t) => {
  const [made, restored] = await done(new TestBed(t), "{ old_backup: { part: nb } }");
  t.match(made, /^beside nb\/n1: .*central-member backup && .*central-member backups \| tail -n 1$/);
  t.match(restored, /^beside nb\/n1: .*central-member restore /);
  const [before, after] = await done(new TestBed(t), "{ old_backup: { part: sb } }");
  t.match(before, /^beside sb\/n1: .*ovsdb-client backup/);
  t.match(after, /^beside sb\/n1: .*ovsdb-client --force restore \S+ <\S+ && rm /, "a restore that fails is reported");
});

t.test("connections to the databases are reset on each node, and not any more afterwards", async (t) => {
  const did = await done(new TestBed(t), "{ reset_connections: }");
  t.equal(did.length, 4);
  t.match(did[1], /^n2: nft add table .*tcp dport \{ 6641, 6642 \} reject with tcp reset/);
  t.match(did[3], /^n2: sh -c nft delete table/);
});

t.test("random faults are different entries of a list, and all end", async (t) => {
  const list = '["kill daemon on n1", "freeze nb service", "kill etcd", "disconnect n1 from n2"]';
  const bench = new TestBed(t);
  const did = await done(bench, `{ random: { of: ${list}, count: 3 } }`);
  const begun = ["SIGKILL daemon/n1", "SIGSTOP nb/n1", "SIGKILL etcd/n1", "cut n1 n2"].filter((what) =>
    did.includes(what),
  );
  t.equal(begun.length, 3);
  t.equal(did.includes("SIGSTOP nb/n1"), did.includes("SIGCONT nb/n1"));
  t.equal(did.includes("cut n1 n2"), did.includes("heal"));
  t.notOk(bench.unfinished);
  for (const [wrong, message] of [
    ["kill nova", 'unknown part "nova"'],
    ["break it", 'cannot read the fault "break it"'],
    ["freeze nb for 3 seconds", "must not say for how long"],
  ] as const)
    await t.rejects(new TestBed(t).run(task(`{ random: { of: ["${wrong}"] } }`, 1)), { message: new RegExp(message) });
});

t.test("a full disk is mounted over the folder of a part while its servers are stopped, and is removed", async (t) => {
  const bench = new TestBed(t);
  bench.target.says = "changed\n";
  const did = (await done(bench, "{ full_disk: { part: sb } }")).map((what) =>
    what.replace(/ sh -c[\s\S]* sh /, " … "),
  );
  const turn = ["SIGSTOP nb/n1", "SIGSTOP sb/n1", "beside sb/n1: … /etc/ovn", "SIGKILL nb/n1", "SIGKILL sb/n1"];
  t.same(did, [...turn, ...turn]);
});

t.test("servers continue if there is no disk to remove", async (t) => {
  const did = await done(new TestBed(t), "{ full_disk: { part: ovsdb-server, on: n2 } }");
  t.same(did.filter((what) => what.startsWith("SIG")).slice(-2), [
    "SIGSTOP ovsdb-server/n2",
    "SIGCONT ovsdb-server/n2",
  ]);
  const [daemon = ""] = await done(new TestBed(t), "{ full_disk: { part: daemon, on: n2 } }");
  t.match(daemon, /^beside daemon\/n2: [\s\S]* sh \/etc\/cni\/net\.d$/, "no file is open there");
  const bench = new TestBed(t);
  await done(bench, "{ full_disk: { part: nb, on: n2 } }");
  t.match(bench.said.at(-1), "fault: no nb runs on n2");
});

t.test("a clock is moved by a number of seconds, and back, also if a step failed", async (t) => {
  const did = await done(new TestBed(t), "{ clock_jump: { node: n1, by: -90 } }");
  const folder = t.testdir({
    date: `#!/bin/sh
case $1 in
  --set=@*) [ ! -e fails ] || exit 1; echo "\${1#--set=@}" >clock ;;
  +%s%N) tr -d . <clock ;;
esac
`,
  });
  chmodSync(join(folder, "date"), 0o755);
  const [begin = "", end = ""] = did.map((what) =>
    what.replace(/^n1: sh -ec /, "").replaceAll("/run/weft-stability-clock", join(folder, "noted")),
  );
  const run = (script: string): number | null =>
    spawnSync("sh", ["-ec", script], { cwd: folder, env: { PATH: `${folder}:${process.env["PATH"]}` } }).status;
  const clock = (): number => Number(readFileSync(join(folder, "clock"), "utf8"));
  const set = (): void => writeFileSync(join(folder, "clock"), "1700000000.000000001\n");
  /** Whether the clock differs from the former one by this number of seconds and the time that has passed since. */
  const isOff = (seconds: number): boolean => {
    const more = clock() - 1_700_000_000 - seconds;
    return more >= 0 && more < 60;
  };
  set();
  t.equal(run(begin), 0);
  t.ok(isOff(-90), `${clock()}`);
  t.equal(run(end), 0);
  t.ok(isOff(0), `${clock()}`);
  t.same([run(end), isOff(0)], [0, true], "once more");
  writeFileSync(join(folder, "fails"), "");
  t.not(run(begin), 0);
  t.not(run(end), 0);
  rmSync(join(folder, "fails"));
  t.same([run(end), isOff(0)], [0, true], "what was never set is not set back");
});
