// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CertifiedKey } from "../../../pki/authority.ts";

/** An authority that is signed by another one, created with OpenSSL. */
export function subordinate(folder: string, root: CertifiedKey, name: string): CertifiedKey {
  writeFileSync(join(folder, "root.crt"), root.certificate);
  writeFileSync(join(folder, "root.key"), root.privateKey);
  writeFileSync(join(folder, "ca.ext"), "basicConstraints=critical,CA:TRUE\n");
  const run = (...args: string[]): string => String(execFileSync("openssl", args, { cwd: folder, stdio: "pipe" }));
  run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", `/CN=${name}`, "-keyout", "sub.key", "-out", "sub.csr");
  const by = ["-CA", "root.crt", "-CAkey", "root.key", "-set_serial", "7", "-days", "9", "-extfile", "ca.ext"];
  const certificate = run("x509", "-req", "-in", "sub.csr", ...by);
  return { certificate, privateKey: readFileSync(join(folder, "sub.key"), "utf8") };
}
