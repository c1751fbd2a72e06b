// SPDX-License-Identifier: Apache-2.0

import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../../src/kube/object.ts";
import { ENDPOINT_SLICES, SERVICES } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { type Cluster, merge, objectRef } from "./cluster.ts";

interface Service extends KubeObject {
  readonly spec?: { readonly selector?: Readonly<Record<string, string>>; readonly ports?: readonly Port[] };
}

interface Port {
  readonly name?: string;
  readonly targetPort?: number;
  readonly protocol?: string;
}

interface Slice extends KubeObject {
  readonly endpoints?: readonly object[];
}

/** The manager of EndpointSlices here (discovery.k8s.io/v1, label `endpointslice.kubernetes.io/managed-by`). */
const MANAGER = { "endpointslice.kubernetes.io/managed-by": "sim.test" };

/** Creates the EndpointSlices of Services, as Kubernetes' own controller does. */
export class EndpointSlices {
  readonly #kube: FakeKube;
  readonly #cluster: Cluster;

  constructor(kube: FakeKube, cluster: Cluster) {
    this.#kube = kube;
    this.#cluster = cluster;
  }

  /** Pods or Services have changed: each Service with a selector has the EndpointSlice of its running pods. */
  look(): void {
    const kube = this.#kube;
    const services = kube.objects<Service>(SERVICES).filter(({ spec }) => Object.keys(spec?.selector ?? {}).length > 0);
    const slices = kube.objects<Slice>(ENDPOINT_SLICES).filter(({ metadata }) => metadata.name.endsWith("-sim"));
    for (const slice of slices) {
      const { namespace, name } = slice.metadata;
      const isWanted = services.some(({ metadata: of }) => of.namespace === namespace && `${of.name}-sim` === name);
      if (!isWanted) this.#cluster.delete(ENDPOINT_SLICES, slice);
    }
    for (const service of services) {
      const { namespace = "", name } = service.metadata;
      const body = { addressType: "IPv4", endpoints: this.#endpoints(service), ports: portsOf(service) };
      const slice = slices.find(({ metadata: of }) => of.namespace === namespace && of.name === `${name}-sim`);
      const metadata = { namespace, name: `${name}-sim`, labels: { "kubernetes.io/service-name": name, ...MANAGER } };
      if (slice === undefined) this.#cluster.ignore(kube.create(ENDPOINT_SLICES, { metadata, ...body }));
      else if (!isDeepStrictEqual(slice.endpoints, body.endpoints))
        this.#cluster.ignore(kube.patch(ENDPOINT_SLICES, objectRef(slice), merge(body)));
    }
  }

  #endpoints({ metadata, spec }: Service): readonly object[] {
    const { namespace = "" } = metadata;
    return this.#cluster.pods().flatMap((pod) => {
      const { labels = {}, annotations = {} } = pod.metadata;
      const [address = ""] = (annotations["ovn.kubernetes.io/ip_address"] ?? "").split(",");
      const isSelected = Object.entries(spec?.selector ?? {}).every(([key, value]) => labels[key] === value);
      if (pod.metadata.namespace !== namespace || !isSelected || pod.status?.phase !== "Running") return [];
      if (!address.includes(".")) return [];
      const targetRef = { kind: "Pod", namespace, name: pod.metadata.name };
      return [{ addresses: [address], conditions: { ready: true }, nodeName: pod.spec.nodeName, targetRef }];
    });
  }
}

function portsOf({ spec }: Service): readonly object[] {
  return (spec?.ports ?? []).map(({ name = "", targetPort, protocol = "TCP" }) => ({
    name,
    port: targetPort,
    protocol,
  }));
}
