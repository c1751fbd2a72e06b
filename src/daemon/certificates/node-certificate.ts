// SPDX-License-Identifier: Apache-2.0

import { chmod, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { CERTIFICATE_FILE, NODE_ISSUER, TRUST, TRUST_FILE } from "../../api/certificates.ts";
import { type Informer, informer } from "../../kube/informer.ts";
import type { Kube } from "../../kube/kube.ts";
import { CONFIG_MAPS } from "../../kube/resources.ts";
import type { ConfigMap } from "../../kube/types.ts";
import {
  certificatesIn,
  isIssuedBy,
  makeRequest,
  newKey,
  pemRenewalTime,
  readCertificate,
  renewalTime,
} from "../../pki/authority.ts";
import { writeKeyFile } from "../../pki/key-file.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../reconcile-loop.ts";
import { requestCertificate } from "./request-certificate.ts";

/** What a {@link NodeCertificate} works with. */
export interface NodeCertificateDependencies {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  readonly node: string;
  /** Where Weft is installed. */
  readonly namespace: string;
  /** Where ovn-controller looks for the files; only root reads it. */
  readonly folder: string;
  /** This node's chassis; undefined while it is not known. */
  systemId(): string | undefined;
  /** Writes the chassis into the Node, from where the signer takes it. */
  annotate(chassis: string): Promise<void>;
}

/** The shortest time between two requests, in ms: for a node whose clock is months ahead, each new certificate is due at once. */
const PAUSE_MS = 600_000;
/** Timers hold less than 25 days; and a clock may be set. In ms. */
const LOOK_MS = 24 * 60 * 60_000;

/**
 * Keeps the certificate with which this node's ovn-controller shows who it is, in one file with its key, which never leaves the node, and in another
 * one what
 * it trusts. Both are replaced atomically; ovn-controller notices that by itself. What is there is used as long as it is valid, also without the API
 * server.
 */
export class NodeCertificate {
  readonly #world: NodeCertificateDependencies;
  readonly #trust: Informer<Readonly<Record<string, string>>>;
  readonly #loop: ReconcileLoop;
  readonly #stop = new AbortController();
  #cancel: () => void = () => undefined;
  #chassis: string | undefined;

  constructor(world: NodeCertificateDependencies) {
    this.#world = world;
    const { kube, clock, log, namespace } = world;
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

  /** The chassis may be another one. */
  noteChassis(): void {
    const chassis = this.#world.systemId();
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
    const { clock, folder, log, systemId, node, namespace, kube, annotate } = this.#world;
    const [chassis, trust] = [systemId(), this.#trust.get(`${namespace}/${TRUST}`)];
    if (chassis === undefined || trust === undefined) return;
    await mkdir(folder, { recursive: true });
    // kubelet may have made it, for everybody.
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
    this.#cancel();
    this.#cancel = clock.after(Math.min(LOOK_MS, Math.max(due - clock.wall(), PAUSE_MS)), () => this.#loop.trigger());
  }

  #read(name: string): Promise<string> {
    return readFile(join(this.#world.folder, name), "utf8").catch(() => "");
  }

  async #write(name: string, text: string): Promise<void> {
    if (text === "" || (await this.#read(name)) === text) return;
    await writeKeyFile(join(this.#world.folder, name), text);
  }
}

/**
 * When what is in a file is to be replaced, in ms since the epoch: now if it is no certificate of this chassis and of the present authority, with its
 * key.
 */
function renewalDue(pem: string, chassis: string, issuer: string | undefined): number {
  return pemRenewalTime(
    pem,
    (certificate) =>
      readCertificate(certificate).subject === `CN=${chassis}` &&
      (issuer === undefined || isIssuedBy(certificate, issuer)),
  );
}
