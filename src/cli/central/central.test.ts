// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { PODS } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { backUp, readMembers, restore } from "./commands.ts";
import { CentralError, parseMember } from "./member.ts";
import { formatMembers, type Member, problemsOf } from "./report.ts";

const CLUSTER = "47f96a3b-2bd9-4b4b-9b5e-2f0d2a3f9f10";
const OTHER = "9c1d30f1-7a54-4e58-bd12-c1b7a4f4a111";

interface Choice {
  readonly role?: "leader" | "follower" | "disconnected";
  readonly cid?: string;
  readonly index?: number;
  readonly servers?: readonly number[];
}

/** What `central-member status` prints for a database of a cluster. */
function database({ role = "follower", cid = CLUSTER, index = 10, servers = [1, 2, 3] }: Choice = {}): object {
  const lines = servers.map((n) => `    1d0${n} (1d0${n} at tcp:[10.0.0.${n}]:6643)${n === 1 ? " (self)" : ""}\n`);
  return {
    row: {
      ...{ model: "clustered", connected: role !== "disconnected", leader: role === "leader", index },
      ...{ cid: ["uuid", cid], sid: ["uuid", "1d02aaaa-2bd9-4b4b-9b5e-2f0d2a3f9f10"] },
    },
    cluster: `1d02\nName: OVN_Northbound\nRole: ${role}\nAddress: tcp:[10.0.0.1]:6643\nEntries not yet applied: 0\nServers:\n${lines.join("")}`,
    ...{ bytes: 3_000_000, waiting: false },
  };
}

function member(n: number, choice: Choice, northd = "standby"): Member {
  return {
    ...{ node: `node-${n}`, pod: `ovn-central-${n}`, ready: true, failure: undefined, addresses: [`10.0.0.${n}`] },
    state: parseMember(JSON.stringify({ nb: database(choice), sb: database(choice), northd })),
  };
}

const WELL = [member(1, { role: "leader" }, "active"), member(2, {}), member(3, {})];

t.test("three members of one cluster have no problem", async (t) => {
  t.same(problemsOf(WELL), []);
  const lines = formatMembers(WELL, []).split("\n");
  t.match(lines[0], /^NODE +READY +NB +ENTRY +SIZE +SB +ENTRY +SIZE +NORTHD$/);
  t.match(lines[1], /^node-1 +yes +leader +10 +2\.9 MiB +leader +10 +2\.9 MiB +active$/);
});

t.test("each problem is reported with what to do", async (t) => {
  const [first, second, third] = WELL as [Member, Member, Member];
  const unasked = { ...third, state: undefined, failure: "container not found" };
  for (const [members, expected] of [
    [[], /^there is no pod of ovn-central$/],
    [[first, second, unasked], /^the member on node-3 could not be queried: container not found$/],
    [
      [first, second, member(3, { cid: OTHER })],
      /^OVN_Northbound on node-3 is of cluster 9c1d30f1.*, not 47f96a3b.*: weftctl central rejoin node-3$/,
    ],
    [
      [first, second, member(3, { role: "disconnected" })],
      /^OVN_Northbound on node-3 is not connected to its cluster: weftctl central rejoin node-3$/,
    ],
    [
      [member(1, { role: "disconnected", index: 7 }, "active"), member(2, { role: "disconnected", index: 9 }), unasked],
      /^OVN_Northbound has no leader: 0 of 3 members are connected\. .* continue with node-2, which has the latest entry/,
    ],
    [
      [member(1, { role: "leader", servers: [1, 2, 3, 4] }, "active"), second, third],
      /^OVN_Northbound counts server 1d04 \(tcp:\[10\.0\.0\.4\]:6643\), which is no longer a member$/,
    ],
    [[member(1, { role: "leader" }), second, third], /^no northd is active/],
  ] as const) {
    const problems = problemsOf(members);
    t.ok(
      problems.some((problem) => expected.test(problem)),
      `${expected}: ${problems.join(" | ")}`,
    );
  }
});

t.test("a member that waits, one that is alone and one whose server does not answer are distinguished", async (t) => {
  const state = (nb: object) => parseMember(JSON.stringify({ nb, sb: database(), northd: "" })).nb.role;
  const empty = { cluster: "", bytes: 0 };
  t.equal(state({ ...empty, row: null, waiting: true }), "waiting");
  t.equal(state({ ...empty, row: null, waiting: false }), "silent");
  t.equal(state({ ...empty, row: { model: "standalone" }, waiting: false }), "standalone");
  t.throws(
    () => parseMember("no JSON"),
    new CentralError("malformed-answer", "central-member status has printed no JSON"),
  );
  t.throws(() => parseMember('{"nb":[],"sb":{},"northd":""}'), { code: "malformed-answer" });
});

t.test("a pod that cannot be queried does not hide the others", async (t) => {
  const kube = fakeKube({ clock: new ManualClock() });
  // A pod that was evicted is not a replica.
  for (const [name, n, phase] of [
    ["ovn-central-2", 2, "Running"],
    ["ovn-central-1", 1, "Running"],
    ["evicted", 1, "Failed"],
  ] as const) {
    const pod = {
      metadata: { name, namespace: "kube-system", labels: { app: "ovn-central" } },
      spec: { nodeName: `node-${n}` },
      status: {
        phase,
        podIPs: [{ ip: `10.0.0.${n}` }],
        conditions: [{ type: "Ready", status: n === 1 ? "True" : "False" }],
      },
    };
    await kube.create(PODS, pod);
    await kube.patch(PODS, pod.metadata, { type: "merge", body: { status: pod.status } }, { subresource: "status" });
  }
  const text = JSON.stringify({ nb: database(), sb: database(), northd: "active" });
  const members = await readMembers(kube, "kube-system", async (pod) => {
    if (pod === "ovn-central-2") throw new CentralError("command-failed", "container not found");
    return text;
  });
  t.match(members, [
    { node: "node-1", ready: true, addresses: ["10.0.0.1"], failure: undefined },
    { node: "node-2", ready: false, state: undefined, failure: "container not found" },
  ]);
  t.equal(members.length, 2);
});

t.test("a replica that cannot be copied does not hide that others were", async (t) => {
  const pods = [1, 2, 3].map((n) => ({ metadata: { name: `ovn-central-${n}` }, spec: { nodeName: `node-${n}` } }));
  const asked: string[] = [];
  const result = await backUp(pods, async (pod, command) => {
    asked.push(command.join(" "));
    if (pod === "ovn-central-2") throw new CentralError("command-failed", "no space left");
    return "";
  });
  t.same(result, { nodes: ["node-1", "node-3"], failures: [{ node: "node-2", why: "no space left" }] });
  t.same(new Set(asked), new Set(["/opt/weft/bin/central-member backup"]));
});

t.test("a backup is restored while no northd works, and each goes on afterwards, also when that failed", async (t) => {
  const pods = ["a", "b", "c"];
  for (const fails of [false, true]) {
    const asked: string[] = [];
    const inPod = async (pod: string, [, ...command]: readonly string[]): Promise<string> => {
      asked.push(`${pod} ${command.join(" ")}`);
      if (fails && command[0] === "restore") throw new CentralError("command-failed", "no such backup");
      return "1 rows inserted\n";
    };
    const restored = restore(pods, "b", "ovnnb_db-1.db", inPod);
    if (fails) await t.rejects(restored, { code: "command-failed" });
    else t.equal(await restored, "1 rows inserted\n");
    t.same(asked, ["a hold", "c hold", "b restore ovnnb_db-1.db", "a release", "c release"]);
  }
});
