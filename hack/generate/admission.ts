// SPDX-License-Identifier: Apache-2.0

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OVN_PROVIDER, POD, podAnnotation } from "../../src/api/annotations.ts";
import { celOf } from "../../src/facts/annotation-forms.ts";
import {
  type AnnotationRule,
  isAboutInCel,
  NAMESPACE_RULES,
  POD_RULES,
  SERVICE_RULES,
} from "../../src/facts/annotation-rules.ts";

const ROOT = join(import.meta.dirname, "../..");
const FILE = "charts/weft/templates/admission.yaml";

interface Subject {
  readonly name: string;
  /** Whether its pods are on their nodes' networks, in CEL; absent where it has none. */
  readonly hostNetwork?: string;
  readonly rules: readonly AnnotationRule[];
  readonly resources: readonly { readonly group: string; readonly plurals: readonly string[] }[];
  /** Where the annotations are, in CEL, of `object` and of `oldObject`. */
  readonly annotations: (object: string) => string;
}

/** Annotations of a pod's own interface that limit it, without their prefix. */
const LIMITS = [
  "ingress_rate",
  "egress_rate",
  "ingress_burst",
  "egress_burst",
  "latency",
  "jitter",
  "limit",
  "loss",
] as const;
const NOT_ENFORCED =
  "limits of a pod on the network of its node are not enforced; annotate the Node to limit the traffic of its ovn0";

const ofObject = (object: string): string => `${object}.metadata.?annotations.orValue({})`;
const ofTemplate = (object: string): string =>
  `(${object}.kind == 'CronJob' ? ${object}.spec.jobTemplate.spec.template : ${object}.spec.template).?metadata.?annotations.orValue({})`;

const SUBJECTS: readonly Subject[] = [
  {
    name: "pods",
    rules: POD_RULES,
    resources: [{ group: "", plurals: ["pods"] }],
    annotations: ofObject,
    hostNetwork: "object.spec.?hostNetwork.orValue(false)",
  },
  {
    name: "workloads",
    rules: POD_RULES,
    resources: [
      { group: "apps", plurals: ["deployments", "statefulsets", "daemonsets"] },
      { group: "batch", plurals: ["jobs", "cronjobs"] },
    ],
    annotations: ofTemplate,
    hostNetwork:
      "(object.kind == 'CronJob' ? object.spec.jobTemplate.spec.template : object.spec.template).?spec.?hostNetwork.orValue(false)",
  },
  {
    name: "namespaces",
    rules: NAMESPACE_RULES,
    resources: [{ group: "", plurals: ["namespaces"] }],
    annotations: ofObject,
  },
  { name: "services", rules: SERVICE_RULES, resources: [{ group: "", plurals: ["services"] }], annotations: ofObject },
];

/**
 * Makes the chart's ValidatingAdmissionPolicies of the annotation rules. With `check` nothing is written. Resolves to the files (relative
 * to the checkout) that were not as they must be.
 */
export async function generateAdmission(options: { readonly check: boolean }): Promise<readonly string[]> {
  const text = admissionTemplate();
  const old = await readFile(join(ROOT, FILE), "utf8").catch(() => undefined);
  if (old === text) return [];
  if (!options.check) await writeFile(join(ROOT, FILE), text);
  return [FILE];
}

/** The text of the template. Pure. */
export function admissionTemplate(): string {
  const objects = SUBJECTS.flatMap((subject) => [objectsOf(subject), hostNetworkObjectsOf(subject) ?? []].flat()).join(
    "---\n",
  );
  // Helm takes two braces for its own.
  if (objects.includes("{{")) throw new Error("an expression has two braces in a row, which Helm would read");
  return `{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /*
Generated from src/facts/annotation-rules.ts by \`npm run generate -- admission\`. Do not edit.

The policies warn of limits of pods on their nodes' networks, which are not enforced, and reject malformed annotations whose values are new or have changed. Problems that
depend on the state of the cluster are reported in Events instead. If a policy cannot be evaluated, the object is admitted: the controller validates by the same rules.
*/}}
{{- if .Values.validateAnnotations }}
${objects}{{- end }}
`;
}

function objectsOf(subject: Subject): string {
  const { name, rules, annotations } = subject;
  const changed = "k.contains('.io/') && (!(k in variables.old) || variables.old[k] != variables.all[k])";
  const variables = {
    all: annotations("object"),
    old: `oldObject == null ? {} : ${annotations("oldObject")}`,
    changed: `variables.all.filter(k, ${changed})`,
  };
  return policy(`weft-${name}-annotations`, subject, variables, rules.map(validation), "Deny");
}

/** The policy that warns of limits of pods on their nodes' networks: no component of Weft watches these pods, so no Event would report it. */
function hostNetworkObjectsOf(subject: Subject): string | undefined {
  const { name, annotations, hostNetwork } = subject;
  if (hostNetwork === undefined) return undefined;
  const keys = [...LIMITS.map((key) => podAnnotation(OVN_PROVIDER, key)), POD.ingressBandwidth, POD.egressBandwidth];
  const asked = `variables.all.filter(k, k in [${keys.map((key) => `'${key}'`).join(", ")}] && !(variables.all[k].trim() in ['', '0']))`;
  const check = `    - expression: ${quote(`!(${hostNetwork}) || variables.asked.size() == 0`)}
      messageExpression: ${quote(`variables.asked.join(', ') + ' have no effect: ${NOT_ENFORCED}'`)}
      message: ${quote(NOT_ENFORCED)}`;
  return policy(`weft-${name}-host-network`, subject, { all: annotations("object"), asked }, [check], "Warn");
}

/** A policy and its binding. `variables`: name → expression. */
function policy(
  id: string,
  { resources }: Subject,
  variables: Readonly<Record<string, string>>,
  validations: readonly string[],
  action: "Deny" | "Warn",
): string {
  const rule = ({ group, plurals }: Subject["resources"][number]): string =>
    `      - { apiGroups: [${JSON.stringify(group)}], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [${plurals.join(", ")}] }`;
  const variable = ([name, expression]: readonly [string, string]): string =>
    `    - name: ${name}\n      expression: ${quote(expression)}`;
  return `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: ${id}
spec:
  failurePolicy: Ignore
  matchConstraints:
    resourceRules:
${resources.map(rule).join("\n")}
  variables:
${Object.entries(variables).map(variable).join("\n")}
  validations:
${validations.join("\n")}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: ${id}
spec:
  policyName: ${id}
  validationActions: [${action}]
`;
}

function validation(rule: AnnotationRule): string {
  const about = isAboutInCel(rule);
  const good = `[variables.all[k].trim()].all(v, ${celOf(rule.form)})`;
  // A message is of one line: where the value has more, the plain one is used.
  const first = `variables.changed.filter(k, ${about} && !${good})`;
  const message = `${first}.map(k, 'annotation ' + k + ' is "' + variables.all[k].substring(0, size(variables.all[k]) > 80 ? 80 : size(variables.all[k])) + '"; write ${rule.form.wanted}')[0]`;
  return `    - expression: ${quote(`variables.changed.all(k, !(${about}) || ${good})`)}
      messageExpression: ${quote(message)}
      message: ${quote(`an annotation ${rule.key} is not as it must be; write ${rule.form.wanted}`)}`;
}

/** A string of YAML's in single quotes. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
