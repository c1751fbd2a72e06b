// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { flowsCommand } from "../../../src/cli/flows/command.ts";
import type { ToolTarget } from "../../../src/cli/tools/targets.ts";
import { NETWORK_POLICIES } from "../../../src/kube/resources.ts";
import type { NamedFlow } from "../../../src/reachability/flows.ts";
import { addressesOf, idlePod, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAME = "weft-flows";

t.test(
  "connections that a policy decides are listed, with the rule that allowed or dropped them",
  { skip: whyNoLab(), timeout: 600_000 },
  async (t) => {
    const world = await openWorld(t);
    await deploy(world.lab, createProgress(), { set: ["flows.enabled=true"] });
    t.teardown(() => deploy(world.lab, createProgress()));
    const namespace = await useNamespace(t, world, NAME);
    const [server, friend, stranger] = await run(world, [
      webPod(namespace, "server", "weft-2"),
      idlePod(namespace, "friend", "weft-1"),
      idlePod(namespace, "stranger", "weft-1"),
    ]);
    if (server === undefined || friend === undefined || stranger === undefined) throw new Error("a pod is missing");
    await world.kube.create(NETWORK_POLICIES, {
      metadata: { namespace, name: "guard" },
      spec: {
        podSelector: { matchLabels: { app: "server" } },
        policyTypes: ["Ingress"],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "friend" } } }], ports: [{ port: 8080 }] }],
      },
    });
    const url = (address: string): string => `http://${urlHost(address)}:8080/hostname`;
    const kubectl = async ({ pod, container, command }: ToolTarget): Promise<string> =>
      (await world.lab.kubectl(["-n", "kube-system", "exec", pod, "-c", container, "--", ...command])).stdout;
    const seen = new Map<string, number>();
    const found: NamedFlow[] = [];
    const look = async (): Promise<void> => {
      const { data, warnings } = await flowsCommand(
        world.kube,
        "kube-system",
        { namespace, most: 1_000 },
        seen,
        kubectl,
      );
      t.strictSame(warnings, []);
      found.push(...(data as { readonly flows: readonly NamedFlow[] }).flows);
    };
    const named = (from: string, address: string): NamedFlow | undefined =>
      found.findLast(
        (flow) => flow.from.holders.includes(`${NAME}/${from}`) && flow.to.address === address && flow.at === "ingress",
      );
    for (const address of addressesOf(server)) {
      await until(
        `friend reaches server at ${address}`,
        30_000,
        async () => (await http(inPod(friend), url(address))).ok,
      );
      await until(`stranger does not`, 60_000, async () => !(await http(inPod(stranger), url(address))).ok);
      await until(`both flows to ${address} are listed`, 60_000, async () => {
        await http(inPod(friend), url(address));
        await http(inPod(stranger), url(address));
        await look();
        return named("friend", address)?.verdict === "allowed" && named("stranger", address)?.verdict === "dropped";
      }).catch((error: unknown) => t.comment(String(error)));
      const allowed = named("friend", address);
      t.match(allowed, {
        verdict: "allowed",
        protocol: "TCP",
        port: 8080,
        policy: `np/${NAME}/guard`,
        rule: /^ingress\/0/,
      });
      t.match(allowed?.to.holders, [`${NAME}/server`]);
      const dropped = named("stranger", address);
      t.match(dropped, { verdict: "dropped", protocol: "TCP", port: 8080, policy: `np/${NAME}/guard` });
      t.ok(dropped && dropped.packets > 0);
    }
    const before = found.length;
    await look();
    await look();
    t.ok(found.length - before <= 4, "what was seen is not listed again");
    const plan = ["exec", "deploy/kube-ovn-controller", "--", "/opt/weft/bin/start-controller", "plan"];
    const { stdout } = await world.lab.kubectl(["-n", "kube-system", ...plan]);
    t.match(stdout, /^Nothing to do/, "a plan in the controller's pod has the controller's flags");
  },
);
