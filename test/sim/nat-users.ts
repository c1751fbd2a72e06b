// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../src/api/annotations.ts";
import { ovnDnatRuleKind } from "../../src/kinds/ovn-dnat-rule.ts";
import { ovnFipKind } from "../../src/kinds/ovn-fip.ts";
import { ovnSnatRuleKind } from "../../src/kinds/ovn-snat-rule.ts";
import { routerLbRuleKind } from "../../src/kinds/router-lb-rule.ts";
import { vlanKind } from "../../src/kinds/vlan.ts";
import { CONFIG_MAPS, NODES, OVN_EIPS, type ResourceType, SERVICES } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { OVN_NB } from "../../src/ovsdb/generated/ovn-nb.ts";
import { remove } from "../../src/ovsdb/operation.ts";
import { type Cluster, merge } from "./cluster.ts";
import type { NorthboundServer } from "./database-server.ts";
import type { NatAction, NatType } from "./script.ts";
import { pickOf } from "./users.ts";

/** The types of objects that have addresses in external networks, or translate them. */
export const NAT_TYPES: Readonly<Record<NatType, ResourceType>> = {
  "ovn-eips": OVN_EIPS,
  "ovn-fips": ovnFipKind.type,
  "ovn-snat-rules": ovnSnatRuleKind.type,
  "ovn-dnat-rules": ovnDnatRuleKind.type,
  "router-lb-rules": routerLbRuleKind.type,
  services: SERVICES,
  configmaps: CONFIG_MAPS,
  vlans: vlanKind.type,
};

/** Executes the actions of users and administrators on external networks. */
export class NatUsers {
  readonly #kube: FakeKube;
  readonly #cluster: Cluster;
  readonly #northbound: NorthboundServer;

  constructor(kube: FakeKube, cluster: Cluster, northbound: NorthboundServer) {
    this.#kube = kube;
    this.#cluster = cluster;
    this.#northbound = northbound;
  }

  act(action: NatAction): void {
    const [kube, cluster] = [this.#kube, this.#cluster];
    switch (action.do) {
      case "nat-put":
        this.#put(action);
        return;
      case "nat-delete": {
        const type = NAT_TYPES[action.type];
        const object = kube.object(type, refOf(action));
        if (object !== undefined) cluster.delete(type, object);
        return;
      }
      case "nat-node": {
        // Its daemon has reported its chassis by then.
        const { name, gateway } = action;
        const labels = { "ovn.kubernetes.io/external-gw": gateway ? "true" : null };
        const patch = merge({ metadata: { labels, annotations: { [NODE.chassis]: `chassis-${name}` } } });
        cluster.ignore(kube.patch(NODES, { name }, patch));
        return;
      }
      case "nat-lose-row": {
        const rows = this.#northbound.rows(action.table).toSorted((a, b) => (a._uuid < b._uuid ? -1 : 1));
        const row = pickOf(rows, action.pick);
        if (row !== undefined) this.#northbound.edit([remove(OVN_NB, action.table, row._uuid)]);
        return;
      }
    }
  }

  /** Creates the object, or replaces its spec as `kubectl apply` does with fields that the user had set. */
  #put({ type: plural, ns, name, annotations = {}, spec, data }: Extract<NatAction, { do: "nat-put" }>): void {
    const [kube, cluster, type] = [this.#kube, this.#cluster, NAT_TYPES[plural]];
    const ref = refOf({ ...(ns !== undefined && { ns }), name });
    const present = kube.object(type, ref);
    const body = { ...(spec && { spec }), ...(data && { data }) };
    if (present === undefined) {
      cluster.ignore(kube.create(type, { metadata: { ...ref, annotations }, ...body }));
      return;
    }
    // The rules of its CRD do not let an OvnEip's addresses be changed.
    if (plural === "ovn-eips") return;
    const noted = { ...present.metadata.annotations };
    for (const key of USER_ANNOTATIONS) delete noted[key];
    const metadata = { ...present.metadata, annotations: { ...noted, ...annotations } };
    cluster.ignore(kube.update(type, { ...present, ...body, metadata }));
  }
}

/** The annotations of Services here. */
const USER_ANNOTATIONS = ["service_external_ip_from_subnet", "logical_router", "logical_switch"].map(
  (key) => `ovn.kubernetes.io/${key}`,
);

function refOf({ ns, name }: { readonly ns?: string; readonly name: string }) {
  return ns === undefined ? { name } : { namespace: ns, name };
}
