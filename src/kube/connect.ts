// SPDX-License-Identifier: Apache-2.0

import type { IncomingMessage } from "node:http";
import { accountToken } from "./account-token.ts";
import { type AccessOptions, type ClusterAccess, loadAccess } from "./config.ts";
import { type ExchangeOptions, exchangeOver } from "./exchange.ts";
import type { CallOptions, Kube } from "./kube.ts";
import type { ObjectRef } from "./object.ts";
import { type ObservedAnswer, observedTransport } from "./observed-transport.ts";
import { type LogOptions, type LogStreamOptions, podLog, streamPodLog } from "./pod-log.ts";
import { restKube } from "./rest.ts";
import { serverVersion } from "./server-version.ts";
import { httpTransport, type SocketAccess } from "./transport.ts";

/** A connection to an API server. */
export interface KubeConnection {
  readonly kube: Kube;
  /** The end of a container's log, see {@link podLog}. */
  log(pod: ObjectRef, options: LogOptions): Promise<string>;
  /** A container's log as a stream, see {@link streamPodLog}. */
  streamLog(pod: ObjectRef, options: LogStreamOptions): Promise<IncomingMessage>;
  /** A token of a ServiceAccount, see {@link accountToken}. */
  token(account: ObjectRef, seconds: number): Promise<string>;
  /** For `execInPod` and `connectToPod`. */
  readonly sockets: SocketAccess;
  /** The API server's version: "v1.34.4". */
  version(options?: CallOptions): Promise<string>;
  /** The server's address, for messages. */
  readonly server: string;
  /** The namespace of the service account or of the kubeconfig's context. */
  readonly namespace: string | undefined;
  /** Closes the sockets; running calls and watches reject. */
  close(): void;
}

/** Options of {@link connectKube}. */
export interface ConnectOptions extends AccessOptions, ExchangeOptions {
  /** `weft-daemon/0.1.0`: shown in the API server's audit log and metrics. */
  readonly userAgent: string;
  /** Called with each answer of the API server. */
  readonly onAnswer?: (answer: ObservedAnswer) => void;
}

/**
 * Finds the API server and its credentials (the kubeconfig given; `$KUBECONFIG`; the pod's service account;
 * `~/.kube/config`) and creates a {@link Kube}. Nothing is sent yet. Rejects with the code `config`.
 */
export async function connectKube(options: ConnectOptions): Promise<KubeConnection> {
  return connectTo(await loadAccess(options), options);
}

/** The same for an access that is already known. */
export function connectTo(
  access: ClusterAccess,
  options: ExchangeOptions & Pick<ConnectOptions, "userAgent" | "onAnswer">,
): KubeConnection {
  const { onAnswer, userAgent } = options;
  const plain = httpTransport(access, userAgent);
  const transport = onAnswer === undefined ? plain : observedTransport(plain, onAnswer);
  const exchange = exchangeOver(transport, options);
  return {
    kube: restKube(exchange),
    log: (pod, logOptions) => podLog(exchange, pod, logOptions),
    streamLog: (pod, logOptions) => streamPodLog(exchange, pod, logOptions),
    token: (account, seconds) => accountToken(exchange, account, seconds),
    sockets: transport,
    version: (callOptions) => serverVersion(exchange, callOptions),
    server: access.server.href,
    namespace: access.namespace,
    close: () => transport.close(),
  };
}
