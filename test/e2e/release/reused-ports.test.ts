// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import t from "tap";
import { run as command } from "../../../hack/host/run.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { SERVICES } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, run, useNamespace } from "../testing/pods.ts";
import { createPolicy } from "../testing/policies.ts";
import { openWorld, syncNodes, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-reused-ports";
const PORT = 5302;
const WORKER = fileURLToPath(new URL("../../../hack/traffic/connections-worker.ts", import.meta.url));

t.test(
  "under a policy, a client connects to a pod from the same port both through its Service and directly",
  { skip: whyNoLab() },
  async (t) => {
    const world = await openWorld(t);
    const [first = ""] = world.lab.nodes;
    await useNamespace(t, world, NAMESPACE);
    const [client, server] = (await run(world, [
      idlePod(NAMESPACE, "client", first),
      idlePod(NAMESPACE, "server", first),
    ])) as [Thing, Thing];
    await createPolicy(world, NAMESPACE, "in", {
      podSelector: { matchLabels: { app: "server" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "client" } } }] }],
    });
    const service = await world.kube.create(SERVICES, {
      metadata: { namespace: NAMESPACE, name: "server" },
      spec: { selector: { app: "server" }, ports: [{ port: PORT, protocol: "TCP" }] },
    } as never);
    const { clusterIP = "" } = (service as { spec?: { clusterIP?: string } }).spec ?? {};
    const [address] = addressesOf(server);
    const netns = podNetns(client.metadata.uid);
    const serving = await serve(podNetns(server.metadata.uid));
    t.teardown(() => serving.kill("SIGKILL"));
    const ask = async (ports: number): Promise<{ times: number[]; failed: number }> => {
      const args = [process.execPath, WORKER, "alternate", clusterIP, address, `${PORT}`, `${ports}`];
      const { stdout } = await command("nsenter", [`--net=${netns}`, ...args], { timeoutMs: 300_000 });
      return JSON.parse(stdout) as { times: number[]; failed: number };
    };
    await world.nb.until("the Service has an endpoint", () =>
      [...world.nb.mirror.rows("Load_Balancer")].some(
        (row) => row.name === `${NAMESPACE}/server/tcp` && Object.values(row.vips).every((list) => list !== ""),
      ),
    );
    await syncNodes(world);
    // Which of the two addresses has the older timestamps is random, so each is used first once.
    const { times, failed } = await ask(20);
    t.equal(failed, 0);
    t.equal(times.length, 80);
  },
);

/** Answers connections in a network namespace. */
async function serve(netns: string): Promise<ChildProcess> {
  const child = spawn("nsenter", [`--net=${netns}`, process.execPath, WORKER, "serve", `${PORT}`]);
  if (child.stdout !== null) await once(child.stdout, "data");
  return child;
}
