// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { SwitchLBRuleSpec, SwitchLBRuleStatus } from "../../api/generated/switchlbrule.ts";
import { switchLbRuleKind } from "../../kinds/switch-lb-rule.ts";
import type { CustomObject, KubeObject } from "../../kube/object.ts";
import { ENDPOINT_SLICES, SERVICES } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

type Rule = CustomObject<SwitchLBRuleSpec, SwitchLBRuleStatus>;
type Service = CustomObject<{
  readonly clusterIP?: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly object[];
}>;
interface Slice extends KubeObject {
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[];
}
const { type: RULES } = switchLbRuleKind;
const SPEC = { vip: "172.31.0.5", namespace: "default", ports: [{ name: "http", port: 80, targetPort: 8080 }] };

const make = (kube: FakeKube, name: string, spec: SwitchLBRuleSpec) =>
  kube.create<Rule>(RULES, { metadata: { name }, spec: { ...SPEC, ...spec } });
const change = (kube: FakeKube, name: string, spec: SwitchLBRuleSpec) =>
  kube.patch(RULES, { name }, { type: "merge", body: { spec } });
const service = (kube: FakeKube, name = "slr-web") => kube.object<Service>(SERVICES, { namespace: "default", name });
const slice = (kube: FakeKube, name = "slr-web-ipv4") =>
  kube.object<Slice>(ENDPOINT_SLICES, { namespace: "default", name });
const ready = (kube: FakeKube, name: string) =>
  kube.object<Rule>(RULES, { name })?.status?.conditions?.find(({ type }) => type === "Ready");
const reason = (kube: FakeKube, name: string, wanted: string) =>
  eventually(`${name} says ${wanted}`, () => (ready(kube, name)?.reason === wanted ? ready(kube, name) : undefined));

t.test("the Service of a rule is created, restored, changed and deleted with it", async (t) => {
  const { kube, server } = await cluster(t);
  candidate(t, kube, server);
  await make(kube, "web", { selector: ["app: web"] });
  const made = await eventually("the Service is there", () => service(kube));
  t.match(made.metadata.ownerReferences, [{ kind: "SwitchLBRule", name: "web" }]);
  t.match(made, {
    metadata: { annotations: { "ovn.kubernetes.io/switch_lb_vip": "172.31.0.5" } },
    spec: { clusterIP: "None", selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080, protocol: "TCP" }] },
  });
  t.match(await reason(kube, "web", "NoEndpoints"), { status: "False" });
  t.match(kube.object<Rule>(RULES, { name: "web" })?.status, { ports: "80/TCP", service: "default/slr-web" });

  const ref = { namespace: "default", name: "slr-web" };
  await kube.patch(SERVICES, ref, {
    type: "merge",
    body: { metadata: { annotations: null }, spec: { selector: { app: "other", extra: "x" } } },
  });
  await eventually("a changed selector is restored", () => {
    const { app, extra } = service(kube)?.spec.selector ?? {};
    return (app === "web" && extra === undefined) || undefined;
  });
  await kube.delete(SERVICES, ref);
  const again = await eventually("a deleted one is made again", () => service(kube));
  t.not(again.metadata.uid, made.metadata.uid);

  await change(kube, "web", { endpoints: ["10.16.0.9"] });
  await eventually(
    "the endpoints are in a slice of ours",
    () => slice(kube)?.endpoints?.[0]?.addresses[0] === "10.16.0.9" || undefined,
  );
  t.same(service(kube)?.spec.selector ?? {}, {}, "and the Service has no selector");
  t.match(await reason(kube, "web", "SelectorNotUsed"), { status: "True" });
  await change(kube, "web", { endpoints: ["10.16.0.10"], selector: [] });
  await eventually("the slice follows", () => slice(kube)?.endpoints?.[0]?.addresses[0] === "10.16.0.10" || undefined);
  await eventually("and so does the load balancer", () => {
    const lb = server.rows(OVN_NB, "Load_Balancer").find(({ name }) => name === "default/slr-web/tcp");
    return lb?.vips["172.31.0.5:80"] === "10.16.0.10:8080" || undefined;
  });

  await kube.delete(RULES, { name: "web" });
  await eventually("both go with the rule", () => (!service(kube) && !slice(kube)) || undefined);
});

t.test("of two rules with one VIP the oldest has it; a Service that is not the rule's is not changed", async (t) => {
  const { kube, server } = await cluster(t);
  await make(kube, "a", { endpoints: ["10.16.0.9"] });
  const { stop } = candidate(t, kube, server);
  await reason(kube, "a", "Ready");
  await make(kube, "b", { endpoints: ["10.16.0.9"] });
  t.match((await reason(kube, "b", "VipInUse")).message, /VIP 172\.31\.0\.5 is already the VIP of SwitchLBRule "a"/);
  await kube.create(SERVICES, {
    metadata: { name: "slr-mine", namespace: "default" },
    spec: { clusterIP: "None" },
  } as never);
  await make(kube, "mine", { vip: "172.31.0.6", endpoints: ["10.16.0.9"] });
  await reason(kube, "mine", "ServiceExists");
  await stop();
  await kube.delete(RULES, { name: "a" });
  candidate(t, kube, server);
  await eventually(
    "the orphaned objects of a rule that was deleted while no controller led are deleted",
    () => !service(kube, "slr-a") || undefined,
  );
  await reason(kube, "b", "Ready");
  t.ok(service(kube, "slr-mine"), "others' Services stay");
});
