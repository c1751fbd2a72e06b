// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { CENTRAL_CA, CENTRAL_SECRET, NODE_CA, TRUST } from "../../api/certificates.ts";
import { CONFIG_MAPS, SECRETS } from "../../kube/resources.ts";
import { type FakeKube, fakeKube } from "../../kube/testing/fake.ts";
import type { ConfigMap } from "../../kube/types.ts";
import { type CertifiedKey, issueKey, type KeyUse, makeAuthority, newKey } from "../../pki/authority.ts";
import { isIssuedBy } from "../../pki/certificate.ts";
import { decode, encode } from "./authorities.ts";
import { centralPem, eventually, giveSecret, namespace, replica, scratch, secret } from "./testing/replica.ts";
import { subordinate } from "./testing/subordinate.ts";

const skip = spawnSync("openssl", ["version"]).status === 0 ? false : "no openssl on the PATH";
const MINUTE = 60_000;
const given = { central: "central-tls", controller: "controller-tls" } as const;

interface Wanted {
  readonly commonName?: string;
  readonly usages?: readonly KeyUse[];
  /** When it was issued, relative to now, in ms. */
  readonly from?: number;
}

/** The content of a Secret as cert-manager writes it for an issuer of kind CA. */
async function issued(t: Test, ca: CertifiedKey, holder: keyof typeof given, wanted: Wanted = {}) {
  const { privateKey, certificate } = await issueKey(scratch(t), ca, {
    commonName: wanted.commonName ?? (holder === "central" ? "ovn-central" : "weft-controller"),
    usages: wanted.usages ?? (holder === "central" ? ["serverAuth", "clientAuth"] : ["clientAuth"]),
    now: Date.now() + (wanted.from ?? 0),
    days: 9,
  });
  return { "tls.crt": certificate, "tls.key": privateKey, "ca.crt": ca.certificate };
}

const authority = (t: Test, commonName = "company") =>
  makeAuthority(scratch(t), { commonName, now: Date.now(), days: 30 });

/** As cert-manager renews: one update of the Secret. */
const renew = (kube: FakeKube, name: string, data: Readonly<Record<string, string>>) =>
  kube.patch(
    SECRETS,
    { namespace, name },
    {
      type: "merge",
      body: { data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, encode(text)])) },
    },
  );

/** A cluster with given certificates of `ca`. */
async function withGiven(t: Test, ca: CertifiedKey): Promise<FakeKube> {
  const kube = fakeKube();
  for (const holder of ["central", "controller"] as const)
    await giveSecret(kube, given[holder], await issued(t, ca, holder));
  return kube;
}

const trusted = (kube: FakeKube, key = "ca.pem"): string => {
  const found = secret(kube, CENTRAL_SECRET);
  return found ? decode(found, key) : "";
};
const trustOf = (kube: FakeKube) => kube.object<ConfigMap>(CONFIG_MAPS, { namespace, name: TRUST })?.data ?? {};

t.test("given certificates are used, and no authority of the databases is created", { skip }, async (t) => {
  const ca = await authority(t);
  const kube = await withGiven(t, ca);
  const { folder, lines } = replica(t, kube, { given });
  const pem = await centralPem(t, kube);
  t.equal(new X509Certificate(pem).subject, "CN=ovn-central");
  t.ok(isIssuedBy(pem, ca.certificate));
  t.equal(trusted(kube), ca.certificate);
  const own = await eventually(t, () => lines.find(([, { holder }]) => holder === "weft-controller"));
  t.equal(own[2], "a certificate has been replaced");
  t.ok(isIssuedBy(await readFile(join(folder, "tls.pem"), "utf8"), ca.certificate));
  t.equal(secret(kube, CENTRAL_CA), undefined);
  t.ok(secret(kube, NODE_CA), "nodes have an authority of ours");
});

t.test("a renewed certificate of the same authority is used as soon as it is in the Secret", { skip }, async (t) => {
  const ca = await authority(t);
  const kube = await withGiven(t, ca);
  const { lines } = replica(t, kube, { given });
  const before = await centralPem(t, kube);
  const next = await issued(t, ca, "central");
  await renew(kube, given.central, next);
  t.equal(await centralPem(t, kube, before), next["tls.key"] + next["tls.crt"]);
  t.equal(trusted(kube), ca.certificate);
  t.notOk(lines.some(([level]) => level === "warn"));
});

t.test("a new authority is trusted by all components before its certificates are used", { skip }, async (t) => {
  const [old, next] = [await authority(t), await authority(t, "next")];
  const kube = await withGiven(t, old);
  const first = replica(t, kube, { given });
  const before = await centralPem(t, kube);
  for (const holder of ["central", "controller"] as const)
    await renew(kube, given[holder], await issued(t, next, holder));
  const both = next.certificate + old.certificate;
  await eventually(t, () => (trusted(kube) === both && trustOf(kube)["ca.pem"] === both) || undefined);
  t.equal(await centralPem(t, kube), before);
  t.ok(isIssuedBy(await readFile(join(first.folder, "tls.pem"), "utf8"), old.certificate));
  await first.certificates.stop();

  const early = replica(t, kube, { given, folder: first.folder, ahead: 2 * MINUTE });
  await eventually(t, () => readFileSync(join(early.folder, "ca.pem"), "utf8") === both || undefined);
  await early.certificates.stop();
  t.equal(await centralPem(t, kube), before, "not after two minutes");

  const second = replica(t, kube, { given, folder: first.folder, ahead: 4 * MINUTE });
  const after = await centralPem(t, kube, before);
  t.ok(isIssuedBy(after, next.certificate));
  await eventually(t, () => second.lines.find(([, { holder }]) => holder === "weft-controller"));
  t.ok(isIssuedBy(await readFile(join(second.folder, "tls.pem"), "utf8"), next.certificate));
  t.equal(trusted(kube), both, "open programs may still use the former one");
  await second.certificates.stop();

  replica(t, kube, { given, folder: first.folder, ahead: 70 * MINUTE });
  await eventually(t, () => trusted(kube) === next.certificate || undefined);
  t.equal(trustOf(kube)["ca.pem"], next.certificate);
});

t.test("from the controller's own authority to given certificates, by a new controller", { skip }, async (t) => {
  const kube = fakeKube();
  const own = replica(t, kube);
  const before = await centralPem(t, kube);
  await own.certificates.stop();
  const former = secret(kube, CENTRAL_CA);
  const ours = former ? decode(former, "tls.crt") : "";
  const ca = await authority(t);
  for (const holder of ["central", "controller"] as const)
    await giveSecret(kube, given[holder], await issued(t, ca, holder));
  const { folder, lines, certificates } = replica(t, kube, { given });
  await eventually(t, () => lines.find(([, { holder }]) => holder === "weft-controller"));
  t.equal(await centralPem(t, kube), before);
  t.ok(
    isIssuedBy(await readFile(join(folder, "tls.pem"), "utf8"), ours),
    "the databases accept it also while they do not trust the new authority",
  );
  await certificates.stop();
  replica(t, kube, { given, folder, ahead: 4 * MINUTE });
  t.ok(isIssuedBy(await centralPem(t, kube, before), ca.certificate));
});

t.test("nodes renew their certificates after the databases trust their new authority", { skip }, async (t) => {
  const kube = fakeKube();
  const first = replica(t, kube);
  await centralPem(t, kube);
  const issuer = await eventually(t, () => trustOf(kube)["node-issuer.pem"]);
  await first.certificates.stop();
  const next = await authority(t, "nodes");
  // cert-manager replaces key and certificate at once, without the former authority in ca.crt.
  await renew(kube, NODE_CA, { "tls.crt": next.certificate, "tls.key": next.privateKey, "ca.crt": next.certificate });
  const second = replica(t, kube);
  await eventually(t, () => trusted(kube, "ca-nodes.pem").endsWith(next.certificate + issuer) || undefined);
  await eventually(t, () => trustOf(kube)["authorities"]?.includes("CN=nodes") || undefined);
  t.equal(trustOf(kube)["node-issuer.pem"], issuer);
  await second.certificates.stop();
  replica(t, kube, { ahead: 4 * MINUTE });
  await eventually(t, () => trustOf(kube)["node-issuer.pem"] === next.certificate || undefined);
  t.ok(trusted(kube, "ca-nodes.pem").endsWith(next.certificate + issuer), "those of the former one still count");
});

t.test("a Secret that cannot be used is reported, and the present certificate stays", { skip }, async (t) => {
  const [ca, stranger] = [await authority(t), await authority(t, "stranger")];
  const chained = subordinate(scratch(t), ca, "below");
  const good = await issued(t, ca, "central");
  const spent = await makeAuthority(scratch(t), {
    commonName: "spent",
    now: Date.now() - 31 * 1440 * MINUTE,
    days: 30,
  });
  for (const [what, bad, reason] of [
    ["no certificate", { ...good, "tls.crt": "" }, /has no certificate in tls.crt/],
    ["another key", { ...good, "tls.key": await newKey() }, /no private key in tls.key that belongs/],
    ["expired", await issued(t, ca, "central", { from: -10 * 1440 * MINUTE }), /that has ended, on /],
    ["not yet valid", await issued(t, ca, "central", { from: 2 * 1440 * MINUTE }), /that is valid from .* only/],
    [
      "the controller's",
      await issued(t, ca, "controller"),
      /subject "CN=weft-controller": the common name must be ovn-central/,
    ],
    ["a client's", await issued(t, ca, "central", { usages: ["clientAuth"] }), /does not allow serverAuth/],
    ["no authority", { ...good, "ca.crt": "" }, /has no ca.crt/],
    [
      "another authority",
      { ...good, "ca.crt": stranger.certificate },
      /that none of ca.crt has issued, but "CN=company"/,
    ],
    [
      "an authority that has ended",
      { ...(await issued(t, spent, "central")), "ca.crt": spent.certificate + stranger.certificate },
      /issued by "CN=spent", which has ended or is not yet valid/,
    ],
    [
      "no root",
      { ...(await issued(t, chained, "central")), "ca.crt": chained.certificate },
      /has no root in ca.crt: "CN=below"/,
    ],
  ] as const) {
    const kube = await withGiven(t, ca);
    const { lines, certificates } = replica(t, kube, { given });
    const before = await centralPem(t, kube);
    await renew(kube, given.central, bad);
    const [, fields] = await eventually(t, () => lines.find(([level]) => level === "warn"));
    t.match(fields["err"], { code: "malformed", message: /^Secret kube-system\/central-tls / }, what);
    t.match(fields["err"], { message: reason }, what);
    t.equal(await centralPem(t, kube), before, what);
    await renew(kube, given.central, good);
    t.equal(await centralPem(t, kube, before), good["tls.key"] + good["tls.crt"], `${what}, then a valid one`);
    await certificates.stop();
  }
});

t.test("a Secret that is missing is waited for", { skip }, async (t) => {
  const ca = await authority(t);
  const kube = fakeKube();
  await giveSecret(kube, given.controller, await issued(t, ca, "controller"));
  const { lines } = replica(t, kube, { given });
  const [, fields] = await eventually(t, () => lines.find(([level]) => level === "warn"));
  t.match(fields["err"], { message: "Secret kube-system/central-tls does not exist yet" });
  t.equal(secret(kube, CENTRAL_SECRET), undefined);
  await giveSecret(kube, given.central, await issued(t, ca, "central"));
  t.ok(isIssuedBy(await centralPem(t, kube), ca.certificate));
});

t.test("a certificate of an authority below a root is used with the whole chain", { skip }, async (t) => {
  const root = await authority(t, "root");
  const ca = subordinate(scratch(t), root, "below");
  const kube = fakeKube();
  for (const holder of ["central", "controller"] as const) {
    const leaf = await issued(t, ca, holder);
    await giveSecret(kube, given[holder], {
      ...leaf,
      "tls.crt": leaf["tls.crt"] + ca.certificate,
      "ca.crt": root.certificate,
    });
  }
  replica(t, kube, { given });
  await centralPem(t, kube);
  t.equal(trusted(kube), ca.certificate + root.certificate, "Open vSwitch sends its own certificate only");
});

t.test("the nodes' authority must not be one of the databases'", { skip }, async (t) => {
  const ca = await authority(t);
  const kube = await withGiven(t, ca);
  await giveSecret(kube, NODE_CA, { "tls.crt": ca.certificate, "tls.key": ca.privateKey });
  const { lines } = replica(t, kube, { given });
  const [, fields] = await eventually(t, () => lines.find(([level]) => level === "warn"));
  t.match(fields["err"], { code: "malformed", message: /must have no authority in common/ });
  t.equal(secret(kube, CENTRAL_SECRET), undefined);
});
