// SPDX-License-Identifier: Apache-2.0

import { chmod, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { CERTIFICATE_FILE, NODE_ISSUER, TRUST, TRUST_FILE } from "../../api/certificates.ts";
import { type Informer, informer } from "../../kube/informer.ts";
import type { Kube } from "../../kube/kube.ts";
import { CONFIG_MAPS } from "../../kube/resources.ts";
import type { ConfigMap } from "../../kube/types.ts";
import { makeRequest, newKey } from "../../pki/authority.ts";
import { certificatesIn, isIssuedBy, readCertificate } from "../../pki/certificate.ts";
import { writeKeyFile } from "../../pki/key-file.ts";
import { pemRenewalTime, renewalTime } from "../../pki/renewal.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import { requestCertificate } from "./request-certificate.ts";

/** Dependencies of {@link NodeCertificate}. */
export interface NodeCertificateDependencies {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  readonly node: string;
  /** The namespace of Weft. */
  readonly namespace: string;
  /** Folder from which ovn-controller reads the files; only root can read it. */
  readonly folder: string;
  /** This node's chassis; undefined while it is not known. */
  systemId(): string | undefined;
  /** Called when the files have been checked, and may have changed. */
  readonly onFiles?: () => void;
  /** Writes the chassis into the Node's annotation, which the signer reads. */
  annotate(chassis: string): Promise<void>;
}

/**
 * Shortest time between two requests, in ms. On a node whose clock is months ahead every new certificate is due at
 * once.
 */
const PAUSE_MS = 600_000;
/** Longest time between two checks, in ms: timers hold less than 25 days, and the clock may be set. */
const LOOK_MS = 24 * 60 * 60_000;

/**
 * Maintains the certificate with which this node's ovn-controller authenticates, in one file with its key, which
 * never leaves the node, and the trusted authorities in another file. Both are replaced atomically; ovn-controller
 * rereads changed files. An existing certificate is used while it is valid, also without the API server.
 */
export class NodeCertificate {
  readonly #deps: NodeCertificateDependencies;
  readonly #trust: Informer<Readonly<Record<string, string>>>;
  readonly #loop: ReconcileLoop;
  readonly #stop = new AbortController();
  #cancel: () => void = () => undefined;
  #chassis: string | undefined;

  constructor(deps: NodeCertificateDependencies) {
    this.#deps = deps;
    const { kube, clock, log, namespace } = deps;
    this.#trust = informer<ConfigMap, Readonly<Record<string, string>>>(kube, CONFIG_MAPS, {
      ...{ namespace, fieldSelector: `metadata.name=${TRUST}`, fromMemory: true },
      project: ({ data }) => data ?? {},
      onError: (error) => log.warn({ err: error }, "failed to read the trusted authorities; retrying"),
      clock,
    });
    this.#loop = new ReconcileLoop(
      () => this.#ensure(),
      (error, retryMs) => {
        if (!this.#stop.signal.aborted)
          log.warn({ err: error, retryMs }, "failed to get this node's certificate; retrying");
      },
      // Each attempt leaves an object in the API server for an hour.
      { firstRetryMs: 1_000, maxRetryMs: 600_000 },
      clock,
    );
    this.#trust.subscribe(() => this.#loop.trigger());
  }

  start(): void {
    this.#trust.start();
    this.#loop.trigger();
  }

  /** The chassis may have changed. */
  noteChassis(): void {
    const chassis = this.#deps.systemId();
    if (chassis === this.#chassis) return;
    this.#chassis = chassis;
    this.#loop.trigger();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#cancel();
    await Promise.all([this.#loop.stop(), this.#trust.stop()]);
  }

  async #ensure(): Promise<void> {
    const { clock, folder, log, systemId, node, namespace, kube, annotate } = this.#deps;
    const [chassis, trust] = [systemId(), this.#trust.get(`${namespace}/${TRUST}`)];
    if (chassis === undefined || trust === undefined) return;
    await mkdir(folder, { recursive: true });
    // kubelet may have created the folder readable for all users.
    await chmod(folder, 0o700);
    await this.#write(TRUST_FILE, trust[TRUST_FILE] ?? "");
    const [issuer] = certificatesIn(trust[NODE_ISSUER] ?? "");
    const current = await this.#read(CERTIFICATE_FILE);
    let due = renewalDue(current, chassis, issuer);
    if (due <= clock.wall()) {
      await annotate(chassis);
      const key = await newKey();
      const certificate = await requestCertificate(
        { kube, clock, signal: this.#stop.signal },
        node,
        await makeRequest(folder, key, chassis),
      );
      await this.#write(CERTIFICATE_FILE, key + certificate);
      due = renewalTime(certificate);
      const { validTo, serialNumber } = readCertificate(certificate);
      log.info({ chassis, serialNumber, validTo }, "this node has a new certificate");
    }
    this.#deps.onFiles?.();
    this.#cancel();
    this.#cancel = clock.after(Math.min(LOOK_MS, Math.max(due - clock.wall(), PAUSE_MS)), () => this.#loop.trigger());
  }

  #read(name: string): Promise<string> {
    return readFile(join(this.#deps.folder, name), "utf8").catch(() => "");
  }

  async #write(name: string, text: string): Promise<void> {
    if (text === "" || (await this.#read(name)) === text) return;
    await writeKeyFile(join(this.#deps.folder, name), text);
  }
}

/**
 * When the content of a file must be replaced, in ms since the epoch: now if it is not a certificate of this chassis
 * and of the current authority, with its key.
 */
function renewalDue(pem: string, chassis: string, issuer: string | undefined): number {
  return pemRenewalTime(
    pem,
    (certificate) =>
      readCertificate(certificate).subject === `CN=${chassis}` &&
      (issuer === undefined || isIssuedBy(certificate, issuer)),
  );
}
