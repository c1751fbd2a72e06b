// SPDX-License-Identifier: Apache-2.0

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CENTRAL_CA,
  CENTRAL_SECRET,
  CERTIFICATE_FILE,
  CONTROLLER_NAME,
  NODE_AUTHORITIES_FILE,
  NODE_CA,
  TRUST_FILE,
} from "../../api/certificates.ts";
import { type Informer, informer } from "../../kube/informer.ts";
import { SECRETS } from "../../kube/resources.ts";
import type { Secret } from "../../kube/types.ts";
import type { TlsFiles } from "../../ovsdb/client.ts";
import { certificatesIn, readCertificate } from "../../pki/certificate.ts";
import { writeKeyFile } from "../../pki/key-file.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import { type Authority, ensureAuthority, requireDisjoint } from "./authorities.ts";
import { centralPem, readPublished, trustIn, writeCentral, writeTrust } from "./central-certificate.ts";
import { Signer, type SignerDependencies } from "./signer.ts";
import { type CertificateSource, chooseCertificate, type GivenSecrets, givenSource, issuingSource } from "./source.ts";
import { decideTrust, nextChange, trustText } from "./trust.ts";

/** The longest time between two checks, in ms: the clock may be set. */
const LOOK_MS = 3_600_000;

/** The controller's own files, in a folder: key and certificate, and what it trusts. */
export function tlsFilesIn(folder: string): TlsFiles {
  const pem = join(folder, CERTIFICATE_FILE);
  return { privateKey: pem, certificate: pem, caCertificate: join(folder, TRUST_FILE) };
}

/** The dependencies of {@link Certificates}. */
export interface CertificatesDependencies extends Omit<SignerDependencies, "nodeAuthority"> {
  /** Secrets with certificates that something else issues; absent: the controller issues them. */
  readonly given?: GivenSecrets;
}

/**
 * Issues and renews the certificates of the databases and their clients, or takes them from Secrets (docs/design/security.md): authorities, ovn-central's
 * certificate, this process's own, and the nodes'. Every replica does, before it leads and without a database.
 */
export class Certificates {
  readonly #deps: CertificatesDependencies;
  readonly #signer: Signer;
  readonly #loop: ReconcileLoop;
  readonly #secrets: readonly Informer<string>[];
  #cancel: () => void = () => undefined;
  #failures = 0;

  constructor(deps: CertificatesDependencies) {
    this.#deps = deps;
    const { clock, log, given } = deps;
    this.#signer = new Signer({ ...deps, nodeAuthority: () => this.#nodeAuthority() });
    this.#loop = new ReconcileLoop(
      () => this.#ensure(),
      (error, retryMs) => {
        this.#failures += 1;
        // The first failure may be another replica that was faster.
        if (this.#failures === 1) log.debug({ err: error, retryMs }, "failed to issue certificates; retrying");
        else log.warn({ err: error, retryMs }, "failed to issue certificates; retrying");
      },
      { firstRetryMs: 500, maxRetryMs: 60_000 },
      clock,
    );
    const used = given === undefined ? [CENTRAL_CA] : [given.central, given.controller];
    this.#secrets = [...used, NODE_CA, CENTRAL_SECRET].map((name) => this.#watch(name));
  }

  start(): void {
    this.#signer.start();
    for (const secret of this.#secrets) secret.start();
    this.#loop.trigger();
  }

  async stop(): Promise<void> {
    this.#cancel();
    await Promise.all([this.#signer.stop(), this.#loop.stop(), ...this.#secrets.map((secret) => secret.stop())]);
    this.#cancel();
  }

  /** One Secret, by its version: its content is read when it is used. */
  #watch(name: string): Informer<string> {
    const { kube, namespace, clock, log } = this.#deps;
    const secret = informer<Secret, string>(kube, SECRETS, {
      ...{ namespace, fieldSelector: `metadata.name=${name}`, clock },
      project: ({ metadata }) => metadata.resourceVersion,
      onError: (error) =>
        log.warn({ err: error, secret: name }, "failed to watch a Secret with certificates; retrying"),
    });
    secret.subscribe(() => this.#loop.trigger());
    return secret;
  }

  async #ensure(): Promise<void> {
    const { kube, clock, namespace, folder } = this.#deps;
    const now = clock.wall();
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const nodes = await this.#authority(NODE_CA, now);
    const source = await this.#source(now);
    const published = await readPublished(kube, namespace);
    const before = trustIn(published);
    const record = {
      central: decideTrust(before?.central, source.authorities, now),
      nodes: decideTrust(before?.nodes, nodes.trusted, now),
    };
    requireDisjoint(certificatesIn(trustText(record.central)), certificatesIn(trustText(record.nodes)));
    const former = async (): Promise<CertificateSource | undefined> => {
      const authority = await this.#authority(CENTRAL_CA, now);
      const isTrusted = record.central.some(({ certificate }) => certificate === authority.certificate);
      return isTrusted ? this.#issuing(authority, now) : undefined;
    };
    const current = centralPem(published);
    const central = await chooseCertificate("central", current, source, record.central, now);
    // The Secret first: the record says since when it has an authority.
    await writeCentral(kube, namespace, published.central, central.pem, record);
    await writeTrust(kube, namespace, published.trust, nodes.certificate, record, now);
    if (central.pem !== current) this.#report("ovn-central", central.pem);
    const { certificate: path, caCertificate } = tlsFilesIn(folder);
    await writeKeyFile(caCertificate, trustText(record.central));
    await writeKeyFile(join(folder, NODE_AUTHORITIES_FILE), trustText(record.nodes));
    // Its own last: when it can connect, the server has its certificate.
    const mine = await readFile(path, "utf8").catch(() => "");
    const given = this.#deps.given === undefined ? undefined : former;
    const own = await chooseCertificate("controller", mine, source, record.central, now, given);
    if (own.pem !== mine) {
      await writeKeyFile(path, own.pem);
      this.#report(CONTROLLER_NAME, own.pem);
    }
    this.#failures = 0;
    const due = Math.min(central.due, own.due, nextChange(record.central, now), nextChange(record.nodes, now));
    this.#cancel();
    this.#cancel = clock.after(Math.min(LOOK_MS, Math.max(due - now, 1_000)), () => this.#loop.trigger());
  }

  #authority(name: string, now: number): Promise<Authority> {
    const { kube, namespace, folder } = this.#deps;
    return ensureAuthority(kube, { namespace, name }, folder, now);
  }

  async #source(now: number): Promise<CertificateSource> {
    const { kube, namespace, given } = this.#deps;
    if (given !== undefined) return await givenSource(kube, namespace, given, now);
    return this.#issuing(await this.#authority(CENTRAL_CA, now), now);
  }

  #issuing(authority: Authority, now: number): CertificateSource {
    return issuingSource(authority, this.#deps.folder, now, this.#deps.days);
  }

  /** The authority that signs the nodes' certificates; rejects as long as there is none that the databases may trust. */
  async #nodeAuthority(): Promise<Authority> {
    const { kube, namespace, clock } = this.#deps;
    const nodes = await this.#authority(NODE_CA, clock.wall());
    const trusted = trustIn(await readPublished(kube, namespace))?.central;
    if (trusted === undefined) throw new Error("the authority of the databases is not known yet");
    requireDisjoint(certificatesIn(trustText(trusted)), nodes.trusted);
    return nodes;
  }

  #report(holder: string, pem: string): void {
    const { serialNumber, issuer, validTo } = readCertificate(certificatesIn(pem)[0] ?? "");
    this.#deps.log.info({ holder, serialNumber, issuer, validTo }, "a certificate has been replaced");
  }
}
