// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, watch } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { SIGNER, TRUST } from "../../api/certificates.ts";
import { CERTIFICATE_REQUESTS, CONFIG_MAPS } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import type { CertificateRequest, ConfigMap } from "../../kube/types.ts";
import { type CertifiedKey, issue, makeAuthority } from "../../pki/authority.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { NodeCertificate } from "./node-certificate.ts";

const skip = spawnSync("openssl", ["version"]).status === 0 ? false : "no openssl on the PATH";
const namespace = "kube-system";
const DAY = 86_400_000;

/** A node and an API server; no request is signed unless the test signs it. */
async function setUp(t: Test) {
  const top = mkdtempSync(join(tmpdir(), "weft-node-tls-"));
  t.teardown(() => rm(top, { recursive: true, force: true }));
  const at = { now: Date.now(), days: 365 };
  const central = await makeAuthority(top, { commonName: "weft-central-ca", ...at });
  const nodes = await makeAuthority(top, { commonName: "weft-node-ca", ...at });
  const kube = fakeKube();
  const data = { "ca.pem": central.certificate, "node-issuer.pem": nodes.certificate };
  await kube.create<ConfigMap>(CONFIG_MAPS, { metadata: { namespace, name: TRUST }, data });
  const folder = join(top, "tls");
  const warnings: unknown[] = [];
  const annotated: string[] = [];
  /** `onKept` is called when the certificate is valid and the renewal is scheduled. */
  const start = (
    chassis = "chassis-1",
    ahead = 0,
    onKept = (_ms: number): void => undefined,
    atLeast = 3_600_000,
  ): NodeCertificate => {
    const certificate = new NodeCertificate({
      ...{ kube, namespace, folder, node: "n1" },
      clock: {
        ...SYSTEM_CLOCK,
        wall: () => Date.now() + ahead,
        after: (ms, run) => {
          if (ms > atLeast) onKept(ms);
          return SYSTEM_CLOCK.after(ms, run);
        },
      },
      log: { info: () => undefined, warn: (fields) => void warnings.push((fields as { err: unknown }).err) },
      systemId: () => chassis,
      annotate: (name) => Promise.resolve(void annotated.push(name)),
    });
    t.teardown(() => certificate.stop());
    certificate.start();
    return certificate;
  };
  /** The request that was created after the first `count`. */
  const request = (count = 0): Promise<CertificateRequest> =>
    happens((found) => {
      const all = kube.objects<CertificateRequest>(CERTIFICATE_REQUESTS);
      if (all[count] !== undefined) found(all[count]);
    });
  const sign = async ({ metadata: { name }, spec }: CertificateRequest, by: CertifiedKey = nodes): Promise<string> => {
    const pem = Buffer.from(spec.request, "base64").toString("utf8");
    const subject = { commonName: "chassis-1", usages: ["clientAuth"], now: Date.now(), days: 90 } as const;
    const certificate = await issue(top, by, pem, subject);
    const body = { status: { certificate: Buffer.from(certificate).toString("base64") } };
    await kube.patch(CERTIFICATE_REQUESTS, { name }, { type: "merge", body }, { subresource: "status" });
    return certificate;
  };
  /** Resolves when the file ends with that certificate. */
  const written = async (certificate: string): Promise<void> => {
    const path = join(folder, "tls.pem");
    const watcher = watch(folder);
    try {
      const seen = new Promise<void>((resolve) => {
        const look = async (): Promise<void> => {
          if ((await readFile(path, "utf8").catch(() => "")).endsWith(certificate)) resolve();
        };
        watcher.on("change", () => void look());
        void look();
      });
      await seen;
    } finally {
      watcher.close();
    }
  };
  return { kube, folder, warnings, annotated, central, nodes, start, request, sign, written };
}

/** Resolves when `look` calls `found`; `look` is called in each turn of the event loop. */
async function happens<T>(look: (found: (value: T) => void) => void): Promise<T> {
  const end = AbortSignal.timeout(10_000);
  const found: T[] = [];
  while (found.length === 0) {
    end.throwIfAborted();
    await new Promise((resolve) => setImmediate(resolve));
    look((value) => found.push(value));
  }
  const [value] = found;
  return value as T;
}

t.test("a node requests a certificate for its chassis, and stores it with its key in one file", { skip }, async (t) => {
  const { start, request, sign, written, folder, annotated, central, warnings } = await setUp(t);
  start();
  const asked = await request();
  t.match(asked, { metadata: { name: /^weft-n1-/ }, spec: { signerName: SIGNER } });
  t.strictSame(annotated, ["chassis-1"], "the signer reads the chassis there");
  const certificate = await sign(asked);
  await written(certificate);
  const text = await readFile(join(folder, "tls.pem"), "utf8");
  t.ok(new X509Certificate(certificate).checkPrivateKey((await import("node:crypto")).createPrivateKey(text)));
  t.equal((await stat(join(folder, "tls.pem"))).mode & 0o777, 0o600);
  t.equal((await stat(folder)).mode & 0o777, 0o700);
  t.equal(await readFile(join(folder, "ca.pem"), "utf8"), central.certificate);
  t.strictSame((await readdir(folder)).sort(), ["ca.pem", "tls.pem"]);
  t.strictSame(warnings, []);
});

t.test(
  "a valid certificate is kept, also by the next process; it is renewed when a third of its lifetime is left",
  {
    skip,
  },
  async (t) => {
    const { kube, start, request, sign, written } = await setUp(t);
    const first = start();
    await written(await sign(await request()));
    await first.stop();
    const kept = Promise.withResolvers<number>();
    const second = start("chassis-1", 59 * DAY, kept.resolve);
    await kept.promise;
    await second.stop();
    t.equal(kube.objects(CERTIFICATE_REQUESTS).length, 1);
    start("chassis-1", 61 * DAY);
    await written(await sign(await request(1)));
    t.equal(kube.objects(CERTIFICATE_REQUESTS).length, 2);
  },
);

t.test("another chassis or another authority needs another certificate", { skip }, async (t) => {
  const { kube, start, request, sign, written, folder } = await setUp(t);
  const first = start();
  await written(await sign(await request()));
  await first.stop();
  const second = start("chassis-2");
  await request(1);
  await second.stop();
  const third = start();
  const other = await makeAuthority(folder, { commonName: "another", now: Date.now(), days: 9 });
  const data = { "node-issuer.pem": other.certificate };
  await kube.patch(CONFIG_MAPS, { namespace, name: TRUST }, { type: "merge", body: { data } });
  await written(await sign(await request(2), other));
  await third.stop();
  t.equal(kube.objects(CERTIFICATE_REQUESTS).length, 3);
});

t.test("a refusal is logged with the signer's message, and the present certificate stays", { skip }, async (t) => {
  const { kube, start, request, folder, warnings } = await setUp(t);
  start();
  const { metadata } = await request();
  const conditions = [{ type: "Denied", status: "True", reason: "Refused", message: "node n2 is chassis chassis-1" }];
  const patch = { type: "merge", body: { status: { conditions } } } as const;
  await kube.patch(CERTIFICATE_REQUESTS, { name: metadata.name }, patch, { subresource: "approval" });
  const error = await happens<unknown>((found) => warnings[0] !== undefined && found(warnings[0]));
  t.match(error, { code: "denied", message: /node n2 is chassis chassis-1/ });
  t.strictSame(await readdir(folder), ["ca.pem"]);
});

t.test("a damaged file is replaced", { skip }, async (t) => {
  const { start, request, sign, written, folder, central } = await setUp(t);
  const damaged = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  await mkdir(folder);
  for (const [count, text] of [damaged, central.certificate].entries()) {
    await writeFile(join(folder, "tls.pem"), text);
    const certificate = start();
    await written(await sign(await request(count)));
    await certificate.stop();
  }
});

t.test("a node whose clock is a year ahead does not request again at once", { skip }, async (t) => {
  const { kube, start, request, sign, written } = await setUp(t);
  const waits = Promise.withResolvers<number>();
  start("chassis-1", 365 * DAY, (ms) => waits.resolve(ms), 599_999);
  await written(await sign(await request()));
  t.equal(await waits.promise, 600_000);
  t.equal(kube.objects(CERTIFICATE_REQUESTS).length, 1);
});
