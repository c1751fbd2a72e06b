// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { NODE } from "../../../src/api/annotations.ts";
import type { ApiServer, ApiServerAnswer } from "./apiserver.ts";

const TEMPLATES = join(import.meta.dirname, "../../../charts/weft/templates");
const SYSTEM = "/api/v1/namespaces/kube-system";

/** Renders templates of the chart without helm: those used here contain only labels, the namespace, and parts for other values. */
export function chartObjects(...files: readonly string[]): string {
  return files.map(objectsOf).join("\n---\n");
}

function objectsOf(file: string): string {
  return readFileSync(join(TEMPLATES, file), "utf8")
    .replace(/^\{\{- \/\*[\s\S]*?\*\/ ?-?\}\}$/gm, "")
    .replaceAll("{{ .Release.Namespace }}", "kube-system")
    .replaceAll(/^\s*\{\{.*\n/gm, "")
    .replaceAll(/^ {2}labels:\n/gm, "");
}

async function make(server: ApiServer, path: string, body: object): Promise<ApiServerAnswer["body"]> {
  const answer = await server.call("POST", path, body);
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.body;
}

/** A pod to which a token can be bound. */
export interface BoundPod {
  readonly name: string;
  readonly uid: string;
}

/** Creates the pod of a node's daemon. */
export async function daemonPod(server: ApiServer, node: string): Promise<BoundPod> {
  const containers = [{ name: "c", image: "i" }];
  const pod = {
    metadata: { name: `kube-ovn-cni-${node}` },
    spec: { nodeName: node, serviceAccountName: "kube-ovn-cni", containers },
  };
  return (await make(server, `${SYSTEM}/pods`, pod)).metadata;
}

/** A token of an account in kube-system, bound to a pod as kubelet's are, or to none. */
export async function tokenOf(server: ApiServer, account: string, pod?: BoundPod): Promise<string> {
  const boundObjectRef = pod && { apiVersion: "v1", kind: "Pod", name: pod.name, uid: pod.uid };
  const spec = { expirationSeconds: 3600, ...(boundObjectRef && { boundObjectRef }) };
  return (await make(server, `${SYSTEM}/serviceaccounts/${account}/token`, { spec })).status.token;
}

/**
 * Tests with an API server what the token of a node's daemon may do, by the chart's roles and policies: a real token, bound to a pod of that node. `apply` passes objects
 * to kubectl.
 */
export async function tryDaemonToken(
  t: Test,
  server: ApiServer,
  apply: (objects: string) => Promise<unknown>,
): Promise<void> {
  for (const name of ["n1", "n2"]) {
    const metadata = { name, labels: { zone: "a" }, annotations: { "ovn.kubernetes.io/ip_address": "100.64.0.2" } };
    await make(server, "/api/v1/nodes", { metadata });
    const status = {
      addresses: [{ type: "InternalIP", address: "192.0.2.1" }],
      conditions: [{ type: "Ready", status: "True", reason: "KubeletReady", message: "" }],
    };
    await server.call("PATCH", `/api/v1/nodes/${name}/status`, JSON.stringify({ status }), MERGE);
  }
  await apply(chartObjects("rbac.yaml", "daemon-policy.yaml"));
  const account = "kube-ovn-cni";
  const own = await tokenOf(server, account, await daemonPod(server, "n1"));
  const other = await tokenOf(server, account, await daemonPod(server, "n2"));
  const unbound = await tokenOf(server, account);
  const patch = (token: string, path: string, body: object): Promise<ApiServerAnswer> =>
    server.call("PATCH", path, JSON.stringify(body), { ...MERGE, authorization: `Bearer ${token}` });
  const annotate = (token: string, key: string, value: string | null, subresource = ""): Promise<ApiServerAnswer> =>
    patch(token, `/api/v1/nodes/n1${subresource}`, { metadata: { annotations: { [key]: value } } });

  // The API server enforces a policy a moment after it has accepted it.
  const deadline = Date.now() + 30_000;
  while ((await annotate(other, NODE.chassis, "stolen")).status !== 422) {
    if (Date.now() > deadline) throw new Error("the policy is not enforced after 30 s");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.equal((await annotate(own, NODE.chassis, "chassis-1")).status, 200);
  t.equal((await annotate(own, NODE.unreachable, "chassis-2")).status, 200);
  t.equal((await annotate(own, NODE.unreachable, null)).status, 200);
  for (const [what, token] of [
    ["another node's token", other],
    ["a token of no node", unbound],
  ] as const) {
    t.match(await annotate(token, NODE.chassis, "stolen"), { status: 422, text: /may not change node n1/ }, what);
    t.match(await annotate(token, NODE.chassis, "stolen", "/status"), { status: 422 }, what);
  }
  const node = "/api/v1/nodes/n1";
  for (const [what, path, body] of [
    [
      "an annotation of the controller",
      node,
      { metadata: { annotations: { "ovn.kubernetes.io/ip_address": "1.1.1.1" } } },
    ],
    ["its removal", node, { metadata: { annotations: { "ovn.kubernetes.io/ip_address": null } } }],
    ["the same by the status", `${node}/status`, { metadata: { annotations: { "ovn.kubernetes.io/cidr": "a" } } }],
    ["a label", node, { metadata: { labels: { zone: "b" } } }],
    ["a taint", node, { spec: { taints: [{ key: "a", effect: "NoSchedule" }] } }],
    ["unschedulable", node, { spec: { unschedulable: true } }],
    ["its addresses", `${node}/status`, { status: { addresses: [{ type: "InternalIP", address: "192.0.2.66" }] } }],
    ["readiness", `${node}/status`, { status: { conditions: [{ type: "Ready", status: "False" }] } }],
  ] as const)
    t.match(await patch(own, path, body), { status: 422 }, what);

  const pod = `${SYSTEM}/pods/kube-ovn-cni-n1`;
  const annotations = { metadata: { annotations: { "ovn.kubernetes.io/ip_address": "10.16.0.9" } } };
  for (const [what, path, body] of [
    ["a pod's annotations", pod, annotations],
    ["a pod's labels", pod, { metadata: { labels: { app: "b" } } }],
    ["a pod's status", `${pod}/status`, { status: { podIP: "10.16.0.9" } }],
  ] as const)
    t.match(await patch(own, path, body), { status: 403 }, `${what}, of its own node too`);

  const condition = { type: "NetworkUnavailable", status: "False", reason: "WeftIsReady", message: "m" };
  const body = { apiVersion: "v1", kind: "Node", metadata: { name: "n1" }, status: { conditions: [condition] } };
  const applied = await server.call(
    "PATCH",
    `${node}/status?fieldManager=weft-daemon&force=true`,
    JSON.stringify(body),
    { "content-type": "application/apply-patch+yaml", authorization: `Bearer ${own}` },
  );
  t.match(applied, {
    status: 200,
    body: { status: { conditions: [{ type: "Ready" }, { type: "NetworkUnavailable" }] } },
  });

  const event = (host: string) => ({
    ...{ metadata: { generateName: "e" }, involvedObject: { kind: "Node", name: host }, reason: "r", message: "m" },
    ...{ type: "Warning", source: { component: "weft-daemon", host } },
  });
  const tell = (token: string, host: string): Promise<ApiServerAnswer> =>
    server.call("POST", "/api/v1/namespaces/default/events", event(host), { authorization: `Bearer ${token}` });
  t.equal((await tell(own, "n1")).status, 201);
  t.match(await tell(other, "n1"), { status: 422, text: /Events of their own node/ });
}

const MERGE = { "content-type": "application/merge-patch+json" };
