// SPDX-License-Identifier: Apache-2.0

import { LABEL } from "../../src/api/annotations.ts";
import { projectService } from "../../src/facts/project-service.ts";
import { ovnEipKind } from "../../src/kinds/ovn-eip.ts";
import type { CustomObject, KubeObject } from "../../src/kube/object.ts";
import { IPS, SERVICES, VIPS } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";

type Any = CustomObject<Readonly<Record<string, string>>, Readonly<Record<string, string>>>;

/** One address of an object. */
interface Holding {
  readonly who: string;
  readonly subnet: string | undefined;
  readonly address: string | undefined;
}

/** The addresses that the controller has given to two objects. A pod may have the address of a Vip. */
export function addressesGivenTwice(kube: Pick<FakeKube, "objects">): readonly string[] {
  const holders = new Map<string, string>();
  return holdings(kube).flatMap(({ who, subnet, address }) => {
    if (!subnet || !address) return [];
    const key = `${address} of subnet ${subnet}`;
    const other = holders.get(key);
    holders.set(key, who);
    const kinds = [who, other].map((name) => name?.split(" ")[0]);
    const isShared = other !== undefined && !(kinds.includes("IP") && kinds.includes("Vip"));
    return isShared ? [`${who} and ${other} have ${key}`] : [];
  });
}

function holdings(kube: Pick<FakeKube, "objects">): readonly Holding[] {
  const ips = kube.objects<Any>(IPS).flatMap(({ metadata, spec }) => {
    // A user can write any address into one.
    if (metadata.labels?.[LABEL.ipReserved] !== "false") return [];
    return holding(`IP ${metadata.name}`, spec?.["subnet"], spec?.["v4IpAddress"], spec?.["v6IpAddress"]);
  });
  const vips = kube
    .objects<Any>(VIPS)
    .flatMap(({ metadata: { name }, spec, status }) =>
      holding(`Vip ${name}`, spec?.["subnet"], status?.["v4ip"], status?.["v6ip"]),
    );
  const eips = kube
    .objects<Any>(ovnEipKind.type)
    .flatMap(({ metadata: { name }, spec, status }) =>
      holding(`OvnEip ${name}`, spec?.["externalSubnet"] || "external", status?.["v4Ip"], status?.["v6Ip"]),
    );
  const services = kube.objects<KubeObject & Parameters<typeof projectService>[0]>(SERVICES).flatMap((service) => {
    const given = projectService(service)?.loadBalancer?.given;
    return holding(`Service ${service.metadata.name}`, given?.subnet, given?.v4, given?.v6);
  });
  return [...ips, ...vips, ...eips, ...services];
}

function holding(who: string, subnet: string | undefined, ...addresses: (string | undefined)[]): readonly Holding[] {
  return addresses.map((address) => ({ who, subnet, address }));
}
