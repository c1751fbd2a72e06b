// SPDX-License-Identifier: Apache-2.0

import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import type { CertifiedKey } from "../../pki/authority.ts";

/** Where the page's certificate is from. */
export interface PageCertificateParts {
  /** The folder of an administrator's Secret of type kubernetes.io/tls; "": there is none. */
  readonly folder: string;
  /** Makes a certificate that no browser knows; used where the Secret has none that is usable. */
  readonly make: () => Promise<CertifiedKey>;
  readonly log: Record<"info" | "warn", (fields: object, message: string) => void>;
}

/** The certificate of the page. It follows the folder: kubelet replaces what a Secret's volume has without a restart. */
export class PageCertificate {
  readonly #parts: PageCertificateParts;
  #watcher: FSWatcher | undefined;
  #used = "";

  constructor(parts: PageCertificateParts) {
    this.#parts = parts;
  }

  /** The one to begin with. Rejects where none can be made. */
  async first(): Promise<CertifiedKey> {
    return (await this.#given()) ?? (await this.#parts.make());
  }

  /** Calls `use` with each new certificate, until it is stopped. */
  follow(use: (key: CertifiedKey) => void): void {
    const { folder, log } = this.#parts;
    if (folder === "") return;
    try {
      this.#watcher = watch(folder, () => {
        void this.#given().then((key) => {
          if (key !== undefined) use(key);
        });
      });
      this.#watcher.on("error", (err) => log.warn({ err }, "failed to follow the certificate of the web page"));
    } catch (err) {
      log.warn({ err }, "failed to follow the certificate of the web page");
    }
  }

  stop(): void {
    this.#watcher?.close();
  }

  /** The folder's certificate, if it is usable and another one than before. */
  async #given(): Promise<CertifiedKey | undefined> {
    const { folder, log } = this.#parts;
    if (folder === "") return undefined;
    try {
      const [certificate, privateKey] = await Promise.all(
        ["tls.crt", "tls.key"].map((name) => readFile(join(folder, name), "utf8")),
      );
      if (!certificate || !privateKey || certificate + privateKey === this.#used) return undefined;
      // Throws where the two do not belong together.
      createSecureContext({ cert: certificate, key: privateKey });
      this.#used = certificate + privateKey;
      log.info({ folder }, "the web page uses the certificate of its Secret");
      return { certificate, privateKey };
    } catch (err) {
      log.warn(
        { err, folder },
        "the Secret of the web page's certificate is missing or not usable; the former one stays",
      );
      return undefined;
    }
  }
}
