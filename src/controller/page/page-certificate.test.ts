// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { type CertifiedKey, issueKey, makeAuthority } from "../../pki/authority.ts";
import { PageCertificate } from "./page-certificate.ts";

const skip = spawnSync("openssl", ["version"]).status === 0 ? false : "no openssl on the PATH";

t.test(
  "the certificate of an administrator's Secret is used, and replaced without a restart; one that is not usable leaves the former",
  { skip },
  async (t) => {
    const folder = t.testdir({});
    const at = { now: Date.now(), days: 9 };
    const top = mkdtempSync(join(tmpdir(), "weft-page-certificate-"));
    t.teardown(() => rm(top, { recursive: true, force: true }));
    const authority = await makeAuthority(top, { commonName: "ca", ...at });
    const [own, first, second] = await Promise.all(
      ["own", "first", "second"].map((commonName) =>
        issueKey(top, authority, { commonName, usages: ["serverAuth"], ...at }),
      ),
    );
    if (own === undefined || first === undefined || second === undefined) throw new Error("a certificate is missing");
    const put = async ({ certificate }: CertifiedKey, { privateKey }: CertifiedKey): Promise<void> => {
      await writeFile(join(folder, "tls.key"), privateKey);
      await writeFile(join(folder, "tls.crt"), certificate);
    };
    const warnings: unknown[] = [];
    const log = { info: () => undefined, warn: (fields: object) => void warnings.push(fields) };
    const certificate = (of: string): PageCertificate =>
      new PageCertificate({ folder: of, make: async () => own, log });
    t.equal(await certificate("").first(), own);
    t.strictSame(warnings, []);
    t.equal(await certificate(folder).first(), own, "a Secret that does not exist");
    t.equal(warnings.length, 1);
    await put(first, second);
    t.equal(await certificate(folder).first(), own, "a key of another certificate");
    t.equal(warnings.length, 2);
    await put(first, first);
    const followed = certificate(folder);
    t.teardown(() => followed.stop());
    t.equal((await followed.first()).certificate, first.certificate);
    const next = Promise.withResolvers<CertifiedKey>();
    followed.follow(next.resolve);
    await put(second, second);
    t.equal((await next.promise).certificate, second.certificate);
  },
);
