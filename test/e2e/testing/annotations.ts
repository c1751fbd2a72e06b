// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Test } from "tap";
import { admissionTemplate } from "../../../hack/generate/admission.ts";
import {
  FOREIGN,
  NAMESPACE_SAMPLES,
  POD_SAMPLES,
  SERVICE_SAMPLES,
} from "../../../src/facts/testing/annotation-samples.ts";
import type { ApiServer, ApiServerAnswer } from "./apiserver.ts";

type Annotations = Readonly<Record<string, string>>;
/** The path and the body of a creation. */
type Creation = readonly [path: string, body: object];
type Kind = "pods" | "namespaces" | "services" | "jobs" | "cronjobs" | "deployments";

const CONTAINERS = [{ name: "c", image: "i" }];

function creation(kind: Kind, annotations: Annotations, name = "sample", hostNetwork = false): Creation {
  const spec = { containers: CONTAINERS, ...(hostNetwork && { hostNetwork }) };
  const template = { metadata: { labels: { a: "b" }, annotations }, spec };
  const once = { ...template, spec: { ...template.spec, restartPolicy: "Never" } };
  const metadata = { name };
  switch (kind) {
    case "pods":
      return ["/api/v1/namespaces/default/pods", { metadata: { ...metadata, annotations }, spec }];
    case "namespaces":
      return ["/api/v1/namespaces", { metadata: { ...metadata, annotations } }];
    case "services":
      return [
        "/api/v1/namespaces/default/services",
        { metadata: { ...metadata, annotations }, spec: { ports: [{ port: 80 }] } },
      ];
    case "jobs":
      return ["/apis/batch/v1/namespaces/default/jobs", { metadata, spec: { template: once } }];
    case "cronjobs":
      return [
        "/apis/batch/v1/namespaces/default/cronjobs",
        { metadata, spec: { schedule: "0 0 * * *", jobTemplate: { spec: { template: once } } } },
      ];
    case "deployments":
      return [
        "/apis/apps/v1/namespaces/default/deployments",
        { metadata, spec: { selector: { matchLabels: { a: "b" } }, template } },
      ];
  }
}

/** Values that are refused in each kind. */
const WRONG = {
  "ovn.kubernetes.io/vpc": "a_b",
  "ovn.kubernetes.io/ip_address": "10.10.10.10.10",
  "ovn.kubernetes.io/cidr": "x",
};

/** Validates annotations with an API server and the chart's policies, and compares the result with the controller's rules for the same values. */
export async function tryAnnotations(t: Test, server: ApiServer): Promise<void> {
  const policies = admissionTemplate()
    .replace(/^.*?(?=^apiVersion)/ms, "")
    .replaceAll(/^\{\{.*$/gm, "");
  const tryOut = (kind: Kind, annotations: Annotations, hostNetwork = false): Promise<ApiServerAnswer> => {
    const [path, body] = creation(kind, annotations, "sample", hostNetwork);
    return server.call("POST", `${path}?dryRun=All`, body);
  };
  const kubectl = async (args: readonly string[], input = ""): Promise<void> => {
    const child = spawn(join(server.bin, "kubectl"), ["--kubeconfig", server.kubeconfig, ...args], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    child.stdin.end(input);
    const [code] = await once(child, "close");
    t.equal(code, 0, `kubectl ${args.join(" ")}`);
  };
  /** The API server starts or stops to enforce a policy a moment after it has accepted the change. */
  const until = async (judged: boolean, kinds: readonly Kind[]): Promise<void> => {
    for (const kind of kinds) {
      for (let tries = 0; ; tries++) {
        if ((await tryOut(kind, WRONG)).status >= 300 === judged) break;
        if (tries === 100) throw new Error(`annotations of ${kind} are ${judged ? "not" : "still"} judged`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };

  // Objects that are older than the policies.
  const [pods, pod] = creation("pods", WRONG, "before");
  t.equal((await server.call("POST", pods, pod)).status, 201);
  await kubectl(["apply", "--server-side", "--filename=-"], policies);
  await until(true, ["pods", "namespaces", "services", "jobs", "cronjobs", "deployments"]);

  for (const [kind, samples] of [
    ["pods", POD_SAMPLES],
    ["namespaces", NAMESPACE_SAMPLES],
    ["services", SERVICE_SAMPLES],
  ] as const) {
    for (const [key, { good, bad }] of Object.entries(samples)) {
      for (const value of good) {
        const { status, text } = await tryOut(kind, { [key]: value });
        t.equal(status, 201, `${key}=${JSON.stringify(value)} ${status === 201 ? "" : text}`);
      }
      for (const value of bad) {
        const { status, body } = await tryOut(kind, { [key]: value });
        t.equal(status, 422, `${key}=${JSON.stringify(value)}`);
        // A message of the API server has one line.
        t.match(body.message, value.includes("\n") ? "an annotation" : `annotation ${key} is "${value.slice(0, 80)}`);
      }
    }
  }
  for (const kind of ["jobs", "cronjobs", "deployments"] as const) {
    const refused = await tryOut(kind, { "ovn.kubernetes.io/ingress_rate": "3M" });
    t.match(refused, { status: 422, body: { message: /ingress_rate is "3M"; write a whole number/ } });
    t.equal((await tryOut(kind, { "ovn.kubernetes.io/ingress_rate": "3" })).status, 201);
  }
  const limited = { "ovn.kubernetes.io/ingress_rate": "3", "kubernetes.io/egress-bandwidth": "1M" };
  for (const kind of ["pods", "jobs", "cronjobs", "deployments"] as const) {
    const { status, warning } = await tryOut(kind, limited, true);
    t.equal(status, 201);
    for (const key of Object.keys(limited))
      t.match(warning, key, `${kind}: a limit on the network of a node is warned of`);
    t.match(warning, /have no effect: limits of a pod on the network of its node are not enforced/);
    t.notMatch((await tryOut(kind, limited)).warning, /not enforced/);
    for (const [key, value] of [
      ["ovn.kubernetes.io/mirror", "true"],
      ["ovn.kubernetes.io/ingress_rate", "0"],
    ] as const)
      t.notMatch((await tryOut(kind, { [key]: value }, true)).warning, /not enforced/, `${key}: ${value}`);
  }
  t.notMatch(
    (await tryOut("pods", FOREIGN)).text,
    "ValidatingAdmissionPolicy",
    "another program's annotations are not checked",
  );

  const change = (annotations: Annotations): Promise<ApiServerAnswer> =>
    server.call(
      "PATCH",
      `${pods}/before`,
      { metadata: { annotations } },
      { "content-type": "application/merge-patch+json" },
    );
  t.equal(
    (await change({ "ovn.kubernetes.io/allocated": "true" })).status,
    200,
    "an object with a bad value from before can be written",
  );
  t.equal(
    (await change({ "ovn.kubernetes.io/ip_address": "10.10.10.10.11" })).status,
    422,
    "but not with another bad one",
  );
  t.equal((await change({ "ovn.kubernetes.io/ip_address": "10.16.0.7" })).status, 200);

  // As much as annotations can hold (256 KiB) is within the cost budget of expressions: invalid values are still refused.
  const many = Object.fromEntries(
    Array.from({ length: 900 }, (_, i) => [`a${i}.b.ovn.kubernetes.io/ip_address`, "9".repeat(199)]),
  );
  t.match(await tryOut("pods", many), { status: 422, body: { message: /ip_address/ } });
  const long = {
    "ovn.kubernetes.io/ip_pool": `${"1.1.1.1,".repeat(510)}1.1.1.1`,
    "k8s.v1.cni.cncf.io/networks": `[${'"x",'.repeat(2000)}`,
  };
  t.match(await tryOut("pods", long), { status: 422, body: { message: /networks/ } });
}
