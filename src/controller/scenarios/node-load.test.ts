// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { nodeInformer } from "../../daemon/node-gateway/node-reader.ts";
import { subnetInformer } from "../../daemon/node-gateway/subnet-reader.ts";
import { podInformer } from "../../daemon/pods/pods.ts";
import type { Kube, WatchEvent } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { NODES, PODS } from "../../kube/resources.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";
import { SETTINGS } from "../testing/settings.ts";

const PODS_ELSEWHERE = 1000;
/** The longest interval at which counters of one subnet are written, in ms; the first ones are 1, 2, 4 and 8 s. */
const WINDOW_MS = 10_000;

t.test(
  "a thousand pods of another node cause no events for a daemon, except for the counters of their subnet",
  async (t) => {
    const { kube, server } = await cluster(t);
    await kube.create(NODES, { metadata: { name: "n2" } });
    candidate(t, kube, server, { settings: { ...SETTINGS, defaultCidr: "10.16.0.0/16" } });
    const heard = new Map<string, number>();
    const counted: Kube = {
      ...kube,
      watch: <T extends KubeObject>(
        type: Parameters<Kube["watch"]>[0],
        options: Parameters<Kube["watch"]>[1],
        onEvent: (event: WatchEvent<T>) => void,
      ) =>
        kube.watch<T>(type, options, (event) => {
          if (event.type !== "BOOKMARK") heard.set(type.plural, (heard.get(type.plural) ?? 0) + 1);
          onEvent(event);
        }),
    };
    const quiet = { debug: () => undefined, warn: () => undefined };
    const onError = (error: unknown): void => void t.fail(String(error));
    const informers = [
      podInformer(counted, "n1", onError),
      nodeInformer(counted, "n1", quiet, onError),
      subnetInformer(counted, quiet, onError),
    ];
    for (const informer of informers) informer.start();
    t.teardown(() => Promise.all(informers.map((informer) => informer.stop())));
    const has = (type: typeof PODS, name: string, key: string) =>
      kube.object(type, { ...(type === PODS && { namespace: "default" }), name })?.metadata.annotations?.[key];
    for (const name of ["n1", "n2"])
      await eventually(`${name} joins`, () => has(NODES, name, "weft.kubeovn.io/node-contract"));
    await Promise.all(informers.map((informer) => informer.whenSynced()));
    await kube.settled();
    heard.clear();

    const began = performance.now();
    const create = (name: string, nodeName: string) =>
      kube.create(PODS, { metadata: { namespace: "default", name }, spec: { nodeName, hostNetwork: false } });
    for (let at = 0; at < PODS_ELSEWHERE; at++) await create(`p${at}`, "n2");
    for (let at = 0; at < PODS_ELSEWHERE; at++) {
      await eventually(`p${at}`, () => has(PODS, `p${at}`, "ovn.kubernetes.io/routed"));
      // kubelet does the same.
      const body = { status: { phase: "Running" } };
      await kube.patch(
        PODS,
        { namespace: "default", name: `p${at}` },
        { type: "merge", body },
        { subresource: "status" },
      );
    }
    await kube.settled();
    const windows = Math.ceil((performance.now() - began) / WINDOW_MS);
    t.comment(`${windows} windows of ${WINDOW_MS} ms; heard: ${JSON.stringify(Object.fromEntries(heard))}`);
    t.equal(heard.get("pods") ?? 0, 0);
    t.equal(heard.get("nodes") ?? 0, 0);
    t.ok((heard.get("subnets") ?? 0) <= windows + 5, "one for each ten seconds, and those before");

    await create("own", "n1");
    await eventually("own", () => has(PODS, "own", "ovn.kubernetes.io/routed"));
    await kube.settled();
    t.ok((heard.get("pods") ?? 0) >= 2, "its own pods are");
  },
);
