// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addressesOf, isOfForm } from "./annotation-forms.ts";
import { judgeAnnotations, NAMESPACE_RULES, POD_RULES, ruleFor, SERVICE_RULES } from "./annotation-rules.ts";
import { projectPod } from "./project-core.ts";
import { FOREIGN, NAMESPACE_SAMPLES, POD_SAMPLES, SERVICE_SAMPLES } from "./testing/annotation-samples.ts";

t.test("each rule accepts valid values only; annotations of other programs have no rule", async (t) => {
  for (const [rules, samples] of [
    [POD_RULES, POD_SAMPLES],
    [NAMESPACE_RULES, NAMESPACE_SAMPLES],
    [SERVICE_RULES, SERVICE_SAMPLES],
  ] as const) {
    for (const [key, { good, bad }] of Object.entries(samples)) {
      const rule = ruleFor(key, rules);
      t.ok(rule, `${key} has a rule`);
      if (rule === undefined) continue;
      for (const value of good) t.ok(isOfForm(rule.form, value), `${key}=${JSON.stringify(value)}`);
      for (const value of bad) t.notOk(isOfForm(rule.form, value), `${key}=${JSON.stringify(value)}`);
    }
    for (const rule of rules)
      t.ok(Object.keys(samples).some((key) => ruleFor(key, rules) === rule) || rule.key.startsWith("v1."), rule.key);
  }
  for (const key of Object.keys(FOREIGN)) t.equal(ruleFor(key, POD_RULES), undefined, key);
});

t.test("an invalid annotation counts as absent or denies, and is reported", async (t) => {
  const annotations = {
    "ovn.kubernetes.io/port_security": "yes",
    "ovn.kubernetes.io/layer2_forward": "yes",
    "ovn.kubernetes.io/port_vips": "10.16.0.9,10.16.0.300",
    "ovn.kubernetes.io/ip_address": "10.10.10.10.10",
    "ovn.kubernetes.io/bgp": "everywhere",
    "ovn.kubernetes.io/mirror": "true",
  };
  const judged = judgeAnnotations(annotations, POD_RULES);
  t.same(judged.annotations, {
    "ovn.kubernetes.io/port_security": "true",
    "ovn.kubernetes.io/port_vips": "10.16.0.9,10.16.0.300",
    "ovn.kubernetes.io/ip_address": "10.10.10.10.10",
    "ovn.kubernetes.io/mirror": "true",
  });
  t.same(
    judged.invalidAnnotations.map(({ message }) => message),
    [
      'annotation ovn.kubernetes.io/port_security is "yes", which is invalid; true is used; it must be true or false',
      'annotation ovn.kubernetes.io/layer2_forward is "yes", which is invalid; it is ignored; it must be true or false',
      'annotation ovn.kubernetes.io/port_vips is "10.16.0.9,10.16.0.300", which is invalid; its invalid parts are ignored; it must be addresses or CIDRs, with commas between them',
      'annotation ovn.kubernetes.io/bgp is "everywhere", which is invalid; it is ignored; it must be true, cluster or local',
    ],
  );
  const metadata = { name: "a", namespace: "default", uid: "u", annotations };
  t.match(projectPod({ metadata }), { annotations: judged.annotations, invalidAnnotations: judged.invalidAnnotations });
  t.notOk("invalidAnnotations" in (projectPod({ metadata: { ...metadata, annotations: {} } }) ?? {}));
});

t.test("the valid members of a list of addresses are used, with their host bits", async (t) => {
  t.same(addressesOf("10.16.0.9, FD00::9,10.16.0.300,,10.16.0.9/28,x/3,\0"), ["10.16.0.9", "fd00::9", "10.16.0.9/28"]);
});
