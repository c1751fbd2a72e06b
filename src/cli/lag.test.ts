// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { controllerStateDocument } from "../contract/controller-state.ts";
import { PODS } from "../kube/resources.ts";
import { fakeKube } from "../kube/testing/fake.ts";
import { formatLag, isInStep, type Lag, readLag } from "./lag.ts";
import { ToolError, type ToolTarget } from "./tools/targets.ts";

const STATE = {
  ...{ leading: true, dirty: 0, pending: 0, refused: 0, pendingWrites: 0, repairs: 0, contended: 0, heldBack: 0 },
};
const NAMES = new Map([["chassis-2", "worker-2"]]);

async function lag(answers: { readonly state?: string; readonly sync: string }, leader = "c-1") {
  const kube = fakeKube();
  const ready = { conditions: [{ type: "Ready", status: "True" }] };
  const central = {
    namespace: "kube-system",
    name: "central-1",
    labels: { app: "ovn-central", "ovn-nb-leader": "true" },
  };
  await kube.create(PODS, { metadata: central, status: ready });
  const probe = { livenessProbe: { httpGet: { port: 10999 } } };
  const spec = { containers: [{ name: "kube-ovn-controller", ...probe }] };
  await kube.create(PODS, { metadata: { namespace: "kube-system", name: "c-1" }, spec });
  const asked: string[] = [];
  const capture = async ({ pod, container, command }: ToolTarget): Promise<string> => {
    asked.push(`${pod}/${container} ${command[0]} ${command.at(-1)?.split("\n")[0]}`);
    return pod === "c-1" ? (answers.state ?? JSON.stringify(controllerStateDocument(STATE))) : answers.sync;
  };
  return { asked, found: await readLag(kube, "kube-system", leader || undefined, capture) };
}

t.test("the leader is asked for its state, and OVN for how long a change takes to all nodes", async (t) => {
  const { asked, found } = await lag({ sync: "all 42\n" });
  t.strictSame(asked.toSorted(), [
    "c-1/kube-ovn-controller curl http://127.0.0.1:10999/debug/state",
    "central-1/ovn-central bash start=$(date +%s%3N)",
  ]);
  t.strictSame(found, { controller: STATE, allNodesMs: 42, behind: [] });
  t.equal(isInStep(found), true);
  t.equal(
    formatLag(found, NAMES),
    "A change reaches the flows of all nodes in 42 ms.\nThe database has all changes of the objects.\n",
  );
});

t.test("nodes that do not follow are named", async (t) => {
  const { found } = await lag({ sync: "behind chassis-3 chassis-2 \n" });
  t.equal(isInStep(found), false);
  t.match(formatLag(found, NAMES), "NO: a change has not reached the flows of worker-2, chassis-3 within 10 s.\n");
  const { found: stuck } = await lag({ sync: "behind \n" });
  t.match(formatLag(stuck, NAMES), "NO: a change has not reached the southbound database: does ovn-northd run?");
});

t.test("what waits, what is refused and what others change is said", async (t) => {
  const text = (state: Partial<typeof STATE>): string => formatLag(inStep(state), NAMES);
  const inStep = (state: Partial<typeof STATE>): Lag => ({
    controller: { ...STATE, ...state },
    allNodesMs: 1,
    behind: [],
  });
  t.match(text({ dirty: 2, pending: 3, pendingWrites: 4 }), "objects to the database: 5, writes to the API server: 4.");
  t.equal(isInStep(inStep({ dirty: 2 })), true, "it is on its way");
  t.match(text({ refused: 1 }), "NO: objects whose rows the database refuses: 1;");
  t.equal(isInStep(inStep({ refused: 1 })), false);
  t.match(text({ heldBack: 60 }), "(--allow-mass-delete): 60.");
  t.match(text({ repairs: 7, contended: 2 }), "reverted since this leader started: 7, of these");
  t.match(text({ repairs: 7, contended: 2 }), "again and again: 2.");
});

t.test("without a leader only OVN is asked", async (t) => {
  const { asked, found } = await lag({ sync: "all 1" }, "");
  t.strictSame(
    asked.map((line) => line.split(" ")[0]),
    ["central-1/ovn-central"],
  );
  t.strictSame(found, { allNodesMs: 1, behind: [] });
});

t.test("an answer that is none is an error that quotes it", async (t) => {
  await t.rejects(
    lag({ sync: "ovn-nbctl: command not found" }),
    new ToolError('ovn-central has answered "ovn-nbctl: command not found"'),
  );
  await t.rejects(lag({ sync: "all x" }), ToolError);
  const { found } = await lag({ sync: "all 1", state: "<html>" });
  t.match(found, { allNodesMs: 1, controllerProblem: /state cannot be read: the document is not JSON/ });
  t.match(formatLag(found, NAMES), /in 1 ms\.\nWhat waits in the controller is not known: the controller's state/);
});
