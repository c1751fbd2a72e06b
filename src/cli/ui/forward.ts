// SPDX-License-Identifier: Apache-2.0

import { createServer, type Socket } from "node:net";
import { pipeline } from "node:stream";
import type { KubeConnection } from "../../kube/connect.ts";
import { unlessNotFound } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { listEach } from "../../kube/pages.ts";
import { connectToPod } from "../../kube/pod-port-forward.ts";
import { PODS, SERVICES } from "../../kube/resources.ts";
import type { Pod } from "../../kube/types.ts";
import { hasReady, ToolError } from "../tools/targets.ts";

/** The page's Service, of the chart. */
const SERVICE = "weft-ui";

/** A local port whose connections end at the page. */
export interface Forward {
  readonly port: number;
  /** Why the last connection could not be made, if it could not. */
  failure(): Error | undefined;
  stop(): void;
}

interface PageService extends KubeObject {
  readonly spec?: {
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly { readonly port: number; readonly targetPort?: number | string }[];
  };
}

/**
 * Forwards a free local port to a Ready pod of the page's Service, and to another one when that pod is gone. Rejects with a `ToolError` if there is no page, with a `KubeError` if this
 * account may not reach it.
 */
export async function forwardPort({ kube, sockets }: KubeConnection, namespace: string): Promise<Forward> {
  const ending = new AbortController();
  let page = await pagePod(kube, namespace);
  const connect = () => connectToPod(sockets, { namespace, name: page.pod }, page.port, ending.signal);
  const open = () =>
    connect().catch(async () => {
      page = await pagePod(kube, namespace);
      return await connect();
    });
  // What is wrong is said at once.
  (await open()).on("error", () => undefined).destroy();
  let failure: Error | undefined;
  const connections = new Set<Socket>();
  const server = createServer((local) => {
    connections.add(local);
    local.once("close", () => connections.delete(local));
    local.on("error", () => undefined);
    open().then(
      (remote) => {
        failure = undefined;
        const note = (error: NodeJS.ErrnoException | null): void => {
          // A browser that ends a request is no failure.
          if (error && error.code !== "ERR_STREAM_PREMATURE_CLOSE") failure = error;
        };
        pipeline(local, remote, note);
        pipeline(remote, local, note);
      },
      (error: Error) => {
        failure = error;
        local.destroy();
      },
    );
  });
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    failure: () => failure,
    stop() {
      server.close();
      for (const local of connections) local.destroy();
      ending.abort();
    },
  };
}

/** A Ready pod of the page's Service, and the page's port in it. Rejects with a `ToolError` or `KubeError`. */
export async function pagePod(kube: Kube, namespace: string): Promise<{ readonly pod: string; readonly port: number }> {
  const service = await kube.get<PageService>(SERVICES, { namespace, name: SERVICE }).catch(unlessNotFound);
  if (service === undefined)
    throw new ToolError(
      `there is no Service ${SERVICE} in namespace ${namespace}: set the chart's value page.enabled to true`,
    );
  const labelSelector = Object.entries(service.spec?.selector ?? {})
    .map((pair) => pair.join("="))
    .join(",");
  const pods = await Array.fromAsync(listEach<Pod>(kube, PODS, { namespace, labelSelector }));
  const ready = pods.find(hasReady);
  if (ready === undefined)
    throw new ToolError(`no pod of Service ${SERVICE} in namespace ${namespace} is Ready: weftctl status`);
  const [first] = service.spec?.ports ?? [];
  const target = first?.targetPort ?? first?.port;
  const named = ready.spec?.containers?.flatMap(({ ports = [] }) => ports).find(({ name }) => name === target);
  const port = typeof target === "number" ? target : named?.containerPort;
  if (port === undefined) throw new ToolError(`Service ${SERVICE} has no port that its pods have: ${target}`);
  return { pod: ready.metadata.name, port };
}
