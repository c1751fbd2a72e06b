// SPDX-License-Identifier: Apache-2.0

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { CERTIFICATE_FILE, CONTROLLER_NAME, NODE_AUTHORITIES_FILE, TRUST_FILE } from "../../api/certificates.ts";
import type { TlsFiles } from "../../ovsdb/client.ts";
import { writeKeyFile } from "../../pki/key-file.ts";
import { retryDelay } from "../../time/backoff.ts";
import { ensureAuthorities } from "./authorities.ts";
import { dueTime, ensureCentral, ensureTrust, type Issuing, issuePem } from "./central-certificate.ts";
import { Signer, type SignerDependencies } from "./signer.ts";

/** The interval of checks for changes, in ms: an authority that an administrator or cert-manager has replaced, a deleted Secret. */
const LOOK_MS = 3_600_000;

/** The controller's own files, in a folder: key and certificate, and what it trusts. */
export function tlsFilesIn(folder: string): TlsFiles {
  const pem = join(folder, CERTIFICATE_FILE);
  return { privateKey: pem, certificate: pem, caCertificate: join(folder, TRUST_FILE) };
}

/**
 * Issues and renews the certificates of the databases and their clients (docs/design/security.md): authorities, ovn-central's certificate, this
 * process's own, and the nodes'. Every replica does, before it leads and without a database.
 */
export class Certificates {
  readonly #deps: SignerDependencies;
  readonly #signer: Signer;
  #cancel: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #failures = 0;
  #stopped = false;

  constructor(deps: SignerDependencies) {
    this.#deps = deps;
    this.#signer = new Signer(deps);
  }

  start(): void {
    this.#signer.start();
    this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await Promise.all([this.#signer.stop(), this.#running]);
  }

  #run(): void {
    const { clock, log } = this.#deps;
    this.#running = this.#ensure().then(
      (due) => {
        this.#failures = 0;
        this.#schedule(Math.min(LOOK_MS, Math.max(due - clock.wall(), 1_000)));
      },
      (error: unknown) => {
        this.#failures += 1;
        const retryMs = retryDelay(this.#failures);
        // The first failure may be another replica that was faster.
        if (this.#failures === 1) log.debug({ err: error, retryMs }, "failed to issue certificates; retrying");
        else log.warn({ err: error, retryMs }, "failed to issue certificates; retrying");
        this.#schedule(retryMs);
      },
    );
  }

  #schedule(ms: number): void {
    if (!this.#stopped) this.#cancel = this.#deps.clock.after(ms, () => this.#run());
  }

  /** Resolves with the time when the next certificate is to be renewed. */
  async #ensure(): Promise<number> {
    const { kube, clock, namespace, folder, days } = this.#deps;
    const now = clock.wall();
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { central, nodes } = await ensureAuthorities(kube, namespace, folder, now);
    const issuing = { central, folder, days, now };
    // Its own last: when it can connect, the server has its certificate.
    const due = await ensureCentral(kube, namespace, nodes, issuing);
    await ensureTrust(kube, namespace, central, nodes);
    await writeKeyFile(join(folder, NODE_AUTHORITIES_FILE), nodes.trusted);
    return Math.min(due, await ensureOwn(issuing));
  }
}

async function ensureOwn(issuing: Issuing): Promise<number> {
  const { central, folder, now } = issuing;
  const { certificate: path, caCertificate } = tlsFilesIn(folder);
  await writeKeyFile(caCertificate, central.trusted);
  const current = await readFile(path, "utf8").catch(() => "");
  const due = dueTime(current, central);
  if (due > now) return due;
  const pem = await issuePem(CONTROLLER_NAME, ["clientAuth"], issuing);
  await writeKeyFile(path, pem);
  return dueTime(pem, central);
}
