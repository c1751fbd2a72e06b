// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { OvnEipSpec, OvnEipStatus } from "../../api/generated/ovneip.ts";
import { FINALIZER } from "../../api/names.ts";
import { ovnEipKind } from "../../kinds/ovn-eip.ts";
import type { CustomObject } from "../../kube/object.ts";
import { EVENTS, SUBNETS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

type OvnEip = CustomObject<OvnEipSpec, OvnEipStatus>;
const { type: OVN_EIPS } = ovnEipKind;

/** An external subnet of a VLAN, with three free addresses. */
async function external(kube: FakeKube): Promise<void> {
  const spec = { cidrBlock: "172.30.0.0/29", gateway: "172.30.0.1", excludeIps: ["172.30.0.5..172.30.0.6"] };
  await kube.create(SUBNETS, { metadata: { name: "external" }, spec: { ...spec, vlan: "v100" } } as never);
}

const make = (kube: FakeKube, name: string, spec?: OvnEipSpec) =>
  kube.create<OvnEip>(OVN_EIPS, { metadata: { name }, ...(spec && { spec }) } as never);
const find = (kube: FakeKube, name: string) => kube.object<OvnEip>(OVN_EIPS, { name });
const ready = (eip: OvnEip | undefined) => eip?.status?.conditions?.find(({ type }) => type === "Ready");
const using = (kube: FakeKube) =>
  kube.object<CustomObject<object, { readonly v4usingIPs?: number }>>(SUBNETS, { name: "external" })?.status
    ?.v4usingIPs;

/** The object, once it has this condition. */
function settled(kube: FakeKube, name: string, status: "True" | "False"): Promise<OvnEip> {
  return eventually(`${name} is ${status}`, () => {
    const eip = find(kube, name);
    return ready(eip)?.status === status ? eip : undefined;
  });
}

t.test("an OvnEip gets an address, which its status, spec and labels show, as in Kube-OVN", async (t) => {
  const { kube, server } = await cluster(t);
  await external(kube);
  candidate(t, kube, server);
  await make(kube, "a");
  await settled(kube, "a", "True");
  const eip = await eventually("it is filled in", () => {
    const eip = find(kube, "a");
    return eip?.spec?.v4Ip ? eip : undefined;
  });
  const { v4Ip = "", macAddress = "" } = eip.status ?? {};
  t.match(v4Ip, /^172\.30\.0\.[2-4]$/);
  t.match(macAddress, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  t.match(eip.status, { type: "nat", ready: true, nat: "", v6Ip: "" });
  t.same(eip.spec, { externalSubnet: "external", type: "nat", v4Ip, v6Ip: "", macAddress });
  t.same(eip.metadata.labels, {
    "ovn.kubernetes.io/subnet": "external",
    "ovn.kubernetes.io/ovn_eip_type": "nat",
    "ovn.kubernetes.io/eip_v4_ip": v4Ip,
    "ovn.kubernetes.io/eip_v6_ip": "",
  });
  t.same(find(kube, "a")?.metadata.finalizers, [FINALIZER]);
  await eventually("the subnet counts it", () => using(kube) === 1 || undefined);
});

t.test("a refused one has the reason in its condition, and gets the address when its holder is deleted", async (t) => {
  const { kube, server } = await cluster(t);
  await external(kube);
  candidate(t, kube, server);
  await make(kube, "first", { externalSubnet: "external", v4Ip: "172.30.0.3" });
  await settled(kube, "first", "True");
  await make(kube, "second", { externalSubnet: "external", v4Ip: "172.30.0.3" });
  const refused = await settled(kube, "second", "False");
  t.match(ready(refused), { reason: "AddressInUse", message: /172\.30\.0\.3 .*OvnEip "first"/ });
  t.equal(refused.status?.macAddress, undefined);
  await eventually(
    "an Event says so",
    () =>
      kube
        .objects<
          CustomObject<object> & { reason?: string; regarding?: { name?: string }; involvedObject?: { name?: string } }
        >(EVENTS)
        .some((event) => (event.regarding ?? event.involvedObject)?.name === "second") || undefined,
  );
  await make(kube, "outside", { externalSubnet: "external", v4Ip: "172.31.0.3" });
  const outside = ready(await settled(kube, "outside", "False"));
  t.match(outside, {
    reason: "AddressOutOfSubnet",
    message: /172\.31\.0\.3 is not in subnet "external" \(172\.30\.0\.0\/.*or name another subnet\./,
  });
  await kube.delete(OVN_EIPS, { name: "first" });
  await eventually("the first is gone", () => find(kube, "first") === undefined || undefined);
  const given = await settled(kube, "second", "True");
  t.equal(given.status?.v4Ip, "172.30.0.3");
});

t.test("an OvnEip keeps its address when the controller restarts, and blocks the deletion of its subnet", async (t) => {
  const { kube, server } = await cluster(t);
  await external(kube);
  const first = candidate(t, kube, server);
  for (const name of ["a", "b", "c"]) await make(kube, name);
  const before = await Promise.all(
    ["a", "b", "c"].map(async (name) => (await settled(kube, name, "True")).status?.v4Ip),
  );
  t.equal(new Set(before).size, 3);
  await first.stop();
  await make(kube, "d");
  candidate(t, kube, server);
  t.match(ready(await settled(kube, "d", "False")), { reason: "NoAvailableAddress" });
  t.same(
    ["a", "b", "c"].map((name) => find(kube, name)?.status?.v4Ip),
    before,
  );
  await kube.delete(SUBNETS, { name: "external" });
  await eventually("the subnet says who holds it", () => {
    const status = kube.object<OvnEip>(SUBNETS, { name: "external" })?.status;
    const message = status?.conditions?.find(({ type }) => type === "Ready")?.message;
    return message?.includes("OvnEip a") || undefined;
  });
  for (const name of ["a", "b", "c", "d"]) await kube.delete(OVN_EIPS, { name });
  await eventually("they are gone", () => kube.objects(OVN_EIPS).length === 0 || undefined);
  await eventually("and so is it", () => kube.object(SUBNETS, { name: "external" }) === undefined || undefined);
});

t.test(
  "an address that another client writes to the status of an OvnEip is that OvnEip's alone, or not used",
  async (t) => {
    const { kube, server } = await cluster(t);
    await external(kube);
    candidate(t, kube, server);
    const given = async (name: string) => (await settled(kube, name, "True")).status;
    await make(kube, "a");
    const a = await given("a");
    await make(kube, "b");
    const b = await given("b");
    const write = (status: object) =>
      kube.patch(OVN_EIPS, { name: "b" }, { type: "merge", body: { status } }, { subresource: "status" });
    await write({ v4Ip: a?.v4Ip });
    t.match(ready(await settled(kube, "b", "False")), { reason: "AddressInUse", message: /is in use by OvnEip "a"/ });
    await make(kube, "c", { externalSubnet: "external", v4Ip: b?.v4Ip ?? "" });
    t.equal((await given("c"))?.v4Ip, b?.v4Ip, "its own address is free");

    const [free = ""] = ["172.30.0.2", "172.30.0.3", "172.30.0.4"].filter((ip) => ip !== a?.v4Ip && ip !== b?.v4Ip);
    await write({ v4Ip: free });
    await settled(kube, "b", "True");
    await make(kube, "d", { externalSubnet: "external", v4Ip: free });
    t.match(ready(await settled(kube, "d", "False")), { reason: "AddressInUse", message: /OvnEip "b"/ });
  },
);
