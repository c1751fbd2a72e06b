// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { SIGNER } from "../../api/certificates.ts";
import { unlessNotFound } from "../../kube/errors.ts";
import { type Informer, informer } from "../../kube/informer.ts";
import type { Kube } from "../../kube/kube.ts";
import { CERTIFICATE_REQUESTS, NODES } from "../../kube/resources.ts";
import type { CertificateRequest, Node } from "../../kube/types.ts";
import { issue } from "../../pki/authority.ts";
import { retryDelay } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import { type Authority, encode } from "./authorities.ts";
import { judgeRequest, type RequestVerdict, requestingNode } from "./node-request.ts";

/** The dependencies of a {@link Signer}. */
export interface SignerDependencies {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: Pick<Logger, "info" | "warn" | "debug">;
  /** The namespace of Weft. */
  readonly namespace: string;
  /** Where files may be for a moment. */
  readonly folder: string;
  /** For how long a certificate is valid, in days: `--certificate-days` (`src/controller/settings.ts`). */
  readonly days: number;
  /** Resolves when all nodes are known. */
  whenNodesKnown(signal: AbortSignal): Promise<void>;
  /** Names of the nodes with a chassis name in their annotation. */
  nodesOf(chassis: string): readonly string[];
  /** The authority that signs. Rejects while there is none. */
  nodeAuthority(): Promise<Authority>;
}

/** Signs the requests of nodes, in every replica: the second one finds the certificate. It needs the API server only, no database. */
export class Signer {
  readonly #deps: SignerDependencies;
  readonly #requests: Informer<CertificateRequest>;
  /** Name of a waiting request → number of attempts, and how to cancel the next one. */
  readonly #waiting = new Map<string, { readonly tries: number; readonly cancel: () => void }>();
  readonly #stop = new AbortController();
  /** One after the other: during an installation all nodes send requests at once. */
  #work: Promise<void> = Promise.resolve();

  constructor(deps: SignerDependencies) {
    this.#deps = deps;
    this.#requests = informer<CertificateRequest>(deps.kube, CERTIFICATE_REQUESTS, {
      fieldSelector: `spec.signerName=${SIGNER}`,
      project: (request) => (isPending(request) ? request : undefined),
      onError: (error) => deps.log.warn({ err: error }, "failed to read certificate requests; retrying"),
      clock: deps.clock,
    });
    this.#requests.subscribe(({ key, new: request }) => {
      this.#forget(key);
      if (request !== undefined) this.#add(key);
    });
  }

  start(): void {
    this.#requests.start();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    for (const key of [...this.#waiting.keys()]) this.#forget(key);
    await Promise.all([this.#requests.stop(), this.#work]);
  }

  #forget(name: string): void {
    this.#waiting.get(name)?.cancel();
    this.#waiting.delete(name);
  }

  #add(name: string): void {
    this.#work = this.#work.then(() => this.#serve(name));
  }

  async #serve(name: string): Promise<void> {
    const request = this.#requests.get(name);
    if (request === undefined || this.#stop.signal.aborted) return;
    const { log } = this.#deps;
    try {
      const verdict = await this.#judge(request);
      if (verdict.kind === "wait") this.#later(name, verdict.message);
      else if (verdict.kind === "deny") await this.#deny(request, verdict.message);
      else await this.#sign(request, verdict.commonName);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      // The second of two replicas gets a conflict; its watch then shows that the request is answered.
      log.debug({ err: error, request: name }, "failed to answer a certificate request");
      this.#later(name, error instanceof Error ? error.message : String(error));
    }
  }

  /** Retries after a pause, until it is answered or deleted (Kubernetes deletes pending requests after a day). */
  #later(name: string, reason: string): void {
    const tries = (this.#waiting.get(name)?.tries ?? 0) + 1;
    // A conflict between two replicas is over by then.
    if (tries === 3)
      this.#deps.log.warn({ request: name, reason }, "failed to sign or deny a certificate request; retrying");
    this.#forget(name);
    this.#waiting.set(name, { tries, cancel: this.#deps.clock.after(retryDelay(tries), () => this.#add(name)) });
  }

  async #judge(request: CertificateRequest): Promise<RequestVerdict> {
    const { kube, namespace, nodesOf, whenNodesKnown } = this.#deps;
    const { signal } = this.#stop;
    const name = requestingNode(request, namespace);
    if (typeof name !== "string") return name;
    await whenNodesKnown(signal);
    const node = await kube.get<Node>(NODES, { name }, { signal }).catch(unlessNotFound);
    return judgeRequest(node, nodesOf);
  }

  async #deny(request: CertificateRequest, message: string): Promise<void> {
    const { log } = this.#deps;
    const { name } = request.metadata;
    log.warn(
      { request: name, user: request.spec.username, reason: message },
      "denied the certificate request of a node",
    );
    await this.#approval(request, { type: "Denied", status: "True", reason: "Refused", message });
  }

  async #sign(request: CertificateRequest, commonName: string): Promise<void> {
    const { kube, log, folder, days, clock, nodeAuthority } = this.#deps;
    const { signal } = this.#stop;
    const { name } = request.metadata;
    const now = clock.wall();
    const nodes = await nodeAuthority();
    const pem = Buffer.from(request.spec.request, "base64").toString("utf8");
    const certificate = await issue(folder, nodes, pem, { commonName, usages: ["clientAuth"], now, days });
    const message = `chassis ${commonName}`;
    await this.#approval(request, { type: "Approved", status: "True", reason: "OwnChassis", message });
    const body = { status: { certificate: encode(certificate) } };
    const options = { subresource: "status", metadataOnly: true, signal } as const;
    await kube.patch(CERTIFICATE_REQUESTS, { name }, { type: "merge", body }, options);
    log.info({ request: name, chassis: commonName }, "signed the certificate of a node");
  }

  async #approval(request: CertificateRequest, condition: object): Promise<void> {
    const { name, uid } = request.metadata;
    const options = { subresource: "approval", metadataOnly: true, signal: this.#stop.signal } as const;
    const body = { metadata: { uid }, status: { conditions: [condition] } };
    await this.#deps.kube.patch(CERTIFICATE_REQUESTS, { name }, { type: "merge", body }, options);
  }
}

/** Whether it is neither signed nor denied. An approved request is signed if it is valid. */
function isPending({ status }: CertificateRequest): boolean {
  const refused = (status?.conditions ?? []).some(({ type }) => type === "Denied" || type === "Failed");
  return !refused && status?.certificate === undefined;
}
