// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NODE } from "../../api/annotations.ts";
import type { KubeObject } from "../../kube/object.ts";
import { NODES, SUBNETS } from "../../kube/resources.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

type Judged = KubeObject & { readonly status?: { readonly activateGateway?: string } };

const RANGE = "10.40.0.0/24";

t.test(
  "when a node reports the other one, its pods' traffic leaves through itself, in one transaction each way",
  async (t) => {
    const { kube, server } = await cluster(t);
    await kube.create(NODES, { metadata: { name: "n2" } });
    const annotate = (name: string, annotations: Record<string, string | null>): Promise<unknown> =>
      kube.patch(NODES, { name }, { type: "merge", body: { metadata: { annotations } } });
    for (const name of ["n1", "n2"]) await annotate(name, { [NODE.chassis]: `c-${name}` });
    // Timed waits are twenty times shorter.
    const clock = { ...SYSTEM_CLOCK, after: (ms: number, run: () => void) => SYSTEM_CLOCK.after(ms / 20, run) };
    const first = candidate(t, kube, server, { clock });
    const spec = { cidrBlock: RANGE, gatewayType: "centralized", gatewayNode: "n1,n2" };
    await kube.create(SUBNETS, { metadata: { name: "c" }, spec } as never);
    const active = (): string | undefined => kube.object<Judged>(SUBNETS, { name: "c" })?.status?.activateGateway;
    const named = (node: string): Promise<true> => eventually(node, () => (active() === node ? true : undefined));
    await named("n1");
    const [port] = server.rows(OVN_NB, "Logical_Switch_Port").filter(({ name }) => name === "gateway/n1");
    t.equal(port?.type, "external", "ovn-controller enables BFD between the members of its group");

    const client = server.connect();
    t.teardown(() => client.close());
    const mirror = client.monitor(OVN_NB, { Address_Set: ["addresses"], Logical_Router_Policy: ["match", "priority"] });
    await mirror.whenSynced();
    const way = (): string => {
      const central = [...mirror.rows("Logical_Router_Policy")].some(
        ({ match, priority }) => priority === 29_000 && match === `ip4.src == ${RANGE}`,
      );
      const own = [...mirror.rows("Address_Set")].some(({ addresses }) => addresses.includes(RANGE));
      return [central && "gateway", own && "own node"].filter(Boolean).join(" and ");
    };
    const ways = [way()];
    mirror.subscribe(() => {
      if (way() !== ways.at(-1)) ways.push(way());
    });

    await annotate("n2", { [NODE.unreachable]: "c-n1" });
    await named("n2");
    await annotate("n1", { [NODE.unreachable]: "c-n2" });
    await named("n1");
    t.same(ways, ["gateway", "own node"]);
    await first.stop();
    const second = candidate(t, kube, server, { clock });
    await eventually(
      "the next leader has compiled",
      () => (second.controller.leading && second.controller.engine.idle) || undefined,
    );
    t.same(ways, ["gateway", "own node"], "it accepts what the annotations say");
    for (const name of ["n1", "n2"]) await annotate(name, { [NODE.unreachable]: null });
    await eventually("it is as before", () => (ways.length === 3 ? true : undefined));
    t.same(ways, ["gateway", "own node", "gateway"]);
    t.equal(active(), "n1");
  },
);
