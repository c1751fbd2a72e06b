// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DockerEngine } from "../../../hack/docker/engine.ts";
import { openLabHost } from "../../../hack/docker/lab-host.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { FABRIC, OUTSIDE } from "../../../hack/lab/topology.ts";
import { whyNoLab } from "../testing/world.ts";

t.setTimeout(600_000);

t.test(
  "nodes and containers in a network of the Docker API reach each other and its gateway",
  { skip: whyNoLab() },
  async (t) => {
    const lab = openLab();
    const [first = "", second = ""] = lab.nodes;
    const devices = async (space: string): Promise<readonly string[]> => {
      const { stdout } = await lab.node(space).exec(["ip", "-oneline", "link", "show"]);
      return [...stdout.matchAll(/^\d+: ([^:@]+)/gm)].map(([, name = ""]) => name).sort();
    };
    const spaces = [FABRIC, OUTSIDE, ...lab.nodes];
    const host = await openLabHost(lab);
    t.teardown(() => host.close());
    const before = await Promise.all(spaces.map(devices));
    const engine = new DockerEngine(host, "weft");
    const { subnets } = await engine.createNetwork("one", "fc00:1:2:3::/64");
    for (const node of [first, second]) await engine.connect("one", node);
    const guest = engine.createContainer("guest", "any", ["sleep", "infinity"], "one");
    await engine.startContainer(guest.id);

    const addresses = (name: string): readonly string[] => {
      const endpoint = engine.container(name).endpoints.get("one");
      return [endpoint?.v4, endpoint?.v6].map((address) => address?.ip ?? `no address of ${name}`);
    };
    const pings = async (from: string, to: string): Promise<boolean> => {
      const child = host.exec(from, ["busybox", "ping", "-c", "1", "-W", "5", to], {});
      return await new Promise((resolve) => child.once("close", (code) => resolve(code === 0)));
    };
    const gateways = subnets.map(({ gateway }) => gateway);
    for (const from of [first, second, "guest"]) {
      const others = [first, second, "guest"].filter((name) => name !== from);
      for (const to of [...gateways, ...others.flatMap(addresses)])
        t.ok(await pings(from, to), `${from} reaches ${to}`);
    }

    await engine.disconnect("one", second);
    t.notOk((await devices(second)).includes("eth2"), "disconnected");
    await host.close();
    t.same(await Promise.all(spaces.map(devices)), before, "all devices that were made have gone");
  },
);
