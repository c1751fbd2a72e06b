// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { EVENTS } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import type { KubeEvent } from "../../kube/types.ts";
import type { NodePod } from "../pods/pods.ts";
import { explainByEvents } from "./explain-by-events.ts";

t.test("the reason is the latest warning about the interface itself, if there is one", async (t) => {
  const kube = fakeKube();
  let minute = 10;
  const warn = (message: string, component = "controller", reason = "AcquireAddressFailed") =>
    kube.create<KubeEvent>(EVENTS, {
      metadata: { namespace: "shop", name: `web-0.${minute}` },
      ...{ type: "Warning", reason, message, source: { component } },
      involvedObject: { kind: "Pod", namespace: "shop", name: "web-0", uid: "u-1" },
      lastTimestamp: `2026-01-01T00:${minute++}:00Z`,
    } as KubeEvent);
  const explain = explainByEvents(kube, "controller");
  const pod: Pick<NodePod, "namespace" | "uids"> = { namespace: "shop", uids: ["u-1"] };
  const about = (provider: string, ifName: string) => explain(pod, { provider, ifName });
  t.equal(await about("ovn", "eth0"), undefined);
  await warn('SubnetUnknown: Interface "lan.shop.ovn": No subnet has the provider');
  await warn('NoAvailableAddress: Interface "tight.shop.ovn.net2": Subnet is full');
  await warn("NoAvailableAddress: Subnet ovn-default is full");
  await warn('NetworkUnclear: Interface "shop/broken": is not valid JSON');
  await warn("another program", "kubelet");
  await warn("annotations x have no effect", "controller", "InterfaceNotFound");
  t.match(await about("lan.shop.ovn", "net1"), /^AcquireAddressFailed: SubnetUnknown: /);
  t.match(await about("tight.shop.ovn", "net2"), /Subnet is full$/);
  t.match(await about("ovn", "eth0"), /ovn-default is full$/);
  t.match(await about("broken.shop.ovn", "net3"), /is not valid JSON$/);
});
