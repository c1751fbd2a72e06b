// SPDX-License-Identifier: Apache-2.0

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type AccessRule, accessRules } from "../../src/kinds/access.ts";

const ROOT = join(import.meta.dirname, "../..");
const FILE = "charts/weft/templates/controller-role.yaml";

/**
 * Generates the chart's ClusterRole of the controller from the kinds of objects. With `check` nothing is written. Resolves to the files
 * (relative to the checkout) that were stale.
 */
export async function generateAccess(options: { readonly check: boolean }): Promise<readonly string[]> {
  const text = roleTemplate();
  const old = await readFile(join(ROOT, FILE), "utf8").catch(() => undefined);
  if (old === text) return [];
  if (!options.check) await writeFile(join(ROOT, FILE), text);
  return [FILE];
}

/** The text of the template. Pure. */
export function roleTemplate(): string {
  return `{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /*
Generated from src/kinds by \`npm run generate -- access\`. Do not edit.

The permissions of kube-ovn-controller in the whole cluster. The role has Kube-OVN's name.
*/}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: system:ovn
  labels:
    {{- include "weft.labels" . | nindent 4 }}
rules:
${accessRules()
  .filter(({ own }) => own !== true)
  .map(ruleText)
  .join("")}---
# The same in Weft's own namespace.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: system:ovn
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "weft.labels" . | nindent 4 }}
rules:
${accessRules()
  .filter(({ own }) => own === true)
  .map(ruleText)
  .join("")}`;
}

function ruleText({ group, resource, names, verbs, why }: AccessRule): string {
  const named = names === undefined ? "" : `    resourceNames:\n${names.map((name) => `      - ${name}\n`).join("")}`;
  return `  # ${why}
  - apiGroups: [${group === "" ? '""' : group}]
    resources: [${resource}]
${named}    verbs: [${verbs.join(", ")}]
`;
}
