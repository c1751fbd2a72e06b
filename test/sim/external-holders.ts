// SPDX-License-Identifier: Apache-2.0

import type { KubeObject } from "../../src/kube/object.ts";
import { OVN_EIPS, SERVICES } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { isHostile } from "./hostile.ts";

/** The external subnet of an OvnEip that names none. */
const DEFAULT_EXTERNAL = "external";

/** An OvnEip or a Service of type LoadBalancer, which records its own addresses. */
export interface ExternalHolder {
  /** For people: `OvnEip e1`. */
  readonly name: string;
  readonly subnet: string;
  /** Empty as long as it has none. */
  readonly addresses: readonly string[];
  readonly mac: string;
}

/** The OvnEips and Services that ask for addresses of external subnets or have some. */
export function externalHolders(kube: Pick<FakeKube, "objects">): readonly ExternalHolder[] {
  return [...kube.objects(OVN_EIPS).map(eipOf), ...kube.objects(SERVICES).map(serviceOf)].filter(
    (holder) => holder !== undefined,
  );
}

/** Objects are never changed in place. */
const known = new WeakMap<KubeObject, ExternalHolder | null>();

function once(object: KubeObject, read: () => ExternalHolder | undefined): ExternalHolder | undefined {
  const found = known.get(object);
  if (found !== undefined) return found ?? undefined;
  const holder = isHostile(object.metadata.name) ? undefined : read();
  known.set(object, holder ?? null);
  return holder;
}

function eipOf(object: KubeObject): ExternalHolder | undefined {
  return once(object, () => {
    const { externalSubnet = "" } = (object.spec ?? {}) as { readonly externalSubnet?: string };
    const { v4Ip = "", v6Ip = "", macAddress = "" } = (object.status ?? {}) as Readonly<Record<string, string>>;
    return {
      name: `OvnEip ${object.metadata.name}`,
      subnet: externalSubnet || DEFAULT_EXTERNAL,
      addresses: macAddress === "" ? [] : [v4Ip, v6Ip].filter((address) => address !== ""),
      mac: macAddress,
    };
  });
}

/** Weft writes the addresses, and an annotation `SUBNET/ADDRESSES`, at once. */
function serviceOf(object: KubeObject): ExternalHolder | undefined {
  return once(object, () => {
    const { namespace, name, annotations = {} } = object.metadata;
    const [subnet = "", recorded = ""] = (annotations["weft.kubeovn.io/load-balancer"] ?? "").split("/");
    const { loadBalancer } = (object.status ?? {}) as {
      readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] };
    };
    const addresses = (loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
    if (subnet === "" || !addresses.every((address) => recorded.split(",").includes(address))) return undefined;
    return { name: `Service ${namespace}/${name}`, subnet, addresses, mac: "" };
  });
}
