// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { NODE } from "../../api/annotations.ts";
import { CENTRAL_CA, CENTRAL_SECRET, NODE_CA, SIGNER, TOKEN_NODE, TRUST } from "../../api/certificates.ts";
import { CERTIFICATE_REQUESTS, CONFIG_MAPS, NODES, SECRETS } from "../../kube/resources.ts";
import { type FakeKube, fakeKube } from "../../kube/testing/fake.ts";
import type { CertificateRequest, ConfigMap } from "../../kube/types.ts";
import { issueKey, makeAuthority, makeRequest, newKey } from "../../pki/authority.ts";
import { isIssuedBy } from "../../pki/certificate.ts";
import { decode, encode } from "./authorities.ts";
import { centralPem, eventually, giveSecret, namespace, replica, scratch, secret } from "./testing/replica.ts";
import { subordinate } from "./testing/subordinate.ts";

const skip = spawnSync("openssl", ["version"]).status === 0 ? false : "no openssl on the PATH";
const DAY = 86_400_000;

t.test("the databases' certificates are created once, however many replicas there are", { skip }, async (t) => {
  const kube = fakeKube();
  const [one, two] = [replica(t, kube), replica(t, kube)];
  const pem = await centralPem(t, kube);
  const trust = await eventually(t, () => kube.object<ConfigMap>(CONFIG_MAPS, { namespace, name: TRUST })?.data);
  const [central = "", nodes = ""] = [CENTRAL_CA, NODE_CA].map((name) => {
    const found = secret(kube, name);
    return found && decode(found, "tls.crt");
  });
  t.match(trust, { "ca.pem": central, "node-issuer.pem": nodes });
  t.equal(new X509Certificate(pem).subject, "CN=ovn-central");
  t.ok(isIssuedBy(pem, central));
  const data = secret(kube, CENTRAL_SECRET);
  t.equal(data && decode(data, "ca.pem"), central, "the northbound server trusts no node");
  t.equal(data && decode(data, "ca-nodes.pem"), central + nodes);
  for (const { folder } of [one, two]) {
    const own = await waitForFile(join(folder, "tls.pem"));
    t.equal(new X509Certificate(own).subject, "CN=weft-controller");
    t.strictSame(new X509Certificate(own).keyUsage, ["1.3.6.1.5.5.7.3.2"], "it can be no server");
    t.ok(isIssuedBy(own, central));
    t.equal((await stat(join(folder, "tls.pem"))).mode & 0o777, 0o600);
    t.equal(await readFile(join(folder, "ca.pem"), "utf8"), central);
  }
  const made = kube.requests.filter(({ verb, type }) => verb === "create" && type.plural === "secrets");
  t.ok(made.length >= 3);
  t.equal(secret(kube, CENTRAL_CA)?.type, "kubernetes.io/tls");
  t.strictSame(
    [...one.lines, ...two.lines].filter(([level]) => level === "warn"),
    [],
  );
});

t.test(
  "certificates are renewed when a third of their lifetime is left, and when the authority changes",
  {
    skip,
  },
  async (t) => {
    const kube = fakeKube();
    const first = replica(t, kube);
    const pem = await centralPem(t, kube);
    await first.certificates.stop();
    await replica(t, kube, { ahead: 59 * DAY }).certificates.stop();
    t.equal(await centralPem(t, kube), pem);
    const later = replica(t, kube, { ahead: 61 * DAY });
    const renewed = await centralPem(t, kube, pem);
    const authority = secret(kube, CENTRAL_CA);
    t.ok(isIssuedBy(renewed, authority ? decode(authority, "tls.crt") : ""));
    await later.certificates.stop();

    const other = await makeAuthority(scratch(t), { commonName: "given", now: Date.now(), days: 365 });
    const former = authority ? decode(authority, "tls.crt") : "";
    const data = {
      "tls.crt": encode(other.certificate),
      "tls.key": encode(other.privateKey),
      "ca.crt": encode(former),
    };
    await kube.patch(SECRETS, { namespace, name: CENTRAL_CA }, { type: "merge", body: { data } });
    const both = replica(t, kube);
    const trusted = (): string => {
      const found = secret(kube, CENTRAL_SECRET);
      return found ? decode(found, "ca.pem") : "";
    };
    await eventually(t, () => trusted() === other.certificate + former || undefined);
    t.equal(await centralPem(t, kube), renewed, "the former one signs until all components trust the new one");
    await both.certificates.stop();
    replica(t, kube, { ahead: 4 * 60_000 });
    const again = await centralPem(t, kube, renewed);
    t.ok(isIssuedBy(again, other.certificate));
    t.equal(trusted(), other.certificate + former, "what the former one has signed still counts");
  },
);

t.test("a Secret without an authority is reported and never overwritten", { skip }, async (t) => {
  const at = { commonName: "given", now: Date.now(), days: 9 };
  const good = await makeAuthority(scratch(t), at);
  const [other, ended] = [await newKey(), await makeAuthority(scratch(t), { ...at, now: Date.now() - 10 * DAY })];
  const early = await makeAuthority(scratch(t), { ...at, now: Date.now() + 2 * DAY });
  const leaf = await issueKey(scratch(t), good, { ...at, usages: ["clientAuth"] });
  const broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  for (const [crt, key, reason, ca = ""] of [
    ["nonsense", "", /no certificate in tls.crt/],
    [broken, good.privateKey, /a malformed certificate/],
    [good.certificate, good.privateKey, /a malformed certificate/, broken],
    [good.certificate, "", /no private key in tls.key that belongs/],
    [good.certificate, other, /no private key in tls.key that belongs/],
    [ended.certificate, ended.privateKey, /that has ended, on /],
    [early.certificate, early.privateKey, /that is valid from .* only/],
    [leaf.certificate, leaf.privateKey, /not of an authority/],
  ] as const) {
    const kube = fakeKube();
    const { data } = await giveSecret(kube, CENTRAL_CA, { "tls.crt": crt, "tls.key": key, "ca.crt": ca });
    const { lines, certificates } = replica(t, kube);
    const [, fields] = await eventually(t, () => lines.find(([level]) => level === "warn"));
    t.match(fields["err"], { code: "malformed", message: /kube-system\/weft-central-ca/ });
    t.match(fields["err"], { message: reason });
    t.strictSame(secret(kube, CENTRAL_CA)?.data, data);
    t.equal(secret(kube, CENTRAL_SECRET), undefined);
    await certificates.stop();
  }
});

t.test(
  "authorities with a root in common are refused: a node would open the northbound database",
  { skip },
  async (t) => {
    const folder = scratch(t);
    const root = await makeAuthority(folder, { commonName: "root", now: Date.now(), days: 9 });
    const nodes = subordinate(folder, root, "nodes");
    const same = { "tls.crt": root.certificate, "tls.key": root.privateKey };
    const below = { "tls.crt": nodes.certificate, "tls.key": nodes.privateKey, "ca.crt": root.certificate };
    for (const secrets of [
      [same, same],
      [same, below],
      [same, { ...below, "ca.crt": "" }],
    ] as const) {
      const kube = fakeKube();
      await giveSecret(kube, CENTRAL_CA, secrets[0]);
      await giveSecret(kube, NODE_CA, secrets[1]);
      await kube.create(NODES, { metadata: { name: "n1", annotations: { [NODE.chassis]: "chassis-1" } } });
      const { lines, certificates } = replica(t, kube);
      await ask(t, kube, "r1", { node: "n1" });
      await eventually(t, () => lines.find(([level, { request }]) => level === "warn" && request === "r1"));
      const [, fields] = await eventually(t, () =>
        lines.find(([level, { err }]) => level === "warn" && err !== undefined),
      );
      t.match(fields["err"], { code: "malformed", message: /must have no authority in common/ });
      t.equal(secret(kube, CENTRAL_SECRET), undefined);
      t.equal(kube.object<CertificateRequest>(CERTIFICATE_REQUESTS, { name: "r1" })?.status, undefined);
      await certificates.stop();
    }
  },
);

t.test("a damaged certificate of ovn-central is replaced", { skip }, async (t) => {
  const kube = fakeKube();
  const broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  await giveSecret(kube, CENTRAL_SECRET, { "tls.pem": broken });
  replica(t, kube);
  t.equal(new X509Certificate(await centralPem(t, kube, broken)).subject, "CN=ovn-central");
});

const DAEMON = "system:serviceaccount:kube-system:kube-ovn-cni";

/** A request as stored by the API server; `by`: the node of the token and the user. */
async function ask(
  t: Test,
  kube: FakeKube,
  name: string,
  by: { readonly node?: string; readonly user?: string; readonly usages?: readonly string[] },
): Promise<void> {
  const pem = await makeRequest(scratch(t), await newKey(), "whatever");
  await kube.create<CertificateRequest>(CERTIFICATE_REQUESTS, {
    metadata: { name },
    spec: {
      ...{ request: encode(pem), signerName: SIGNER, usages: by.usages ?? ["client auth"] },
      username: by.user ?? DAEMON,
      ...(by.node !== undefined && { extra: { [TOKEN_NODE]: [by.node] } }),
    },
  });
}

const answer = (t: Test, kube: FakeKube, name: string): Promise<NonNullable<CertificateRequest["status"]>> =>
  eventually(t, () => {
    const status = kube.object<CertificateRequest>(CERTIFICATE_REQUESTS, { name })?.status;
    const over = status?.certificate !== undefined || status?.conditions?.[0]?.type === "Denied";
    return over ? status : undefined;
  });

t.test("a node gets a certificate for its own chassis, whatever name it requests", { skip }, async (t) => {
  const kube = fakeKube();
  await kube.create(NODES, { metadata: { name: "n1", annotations: { [NODE.chassis]: "chassis-1" } } });
  const { lines } = replica(t, kube);
  replica(t, kube);
  // Daemons wait for it.
  await eventually(t, () => kube.object<ConfigMap>(CONFIG_MAPS, { namespace, name: TRUST }));
  await ask(t, kube, "r1", { node: "n1" });
  const { certificate = "", conditions } = await answer(t, kube, "r1");
  const read = new X509Certificate(Buffer.from(certificate, "base64"));
  t.equal(read.subject, "CN=chassis-1");
  t.strictSame(read.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
  t.equal(read.issuer, `CN=${NODE_CA}`);
  t.match(conditions, [{ type: "Approved" }]);
  t.strictSame(
    lines.filter(([level]) => level === "warn"),
    [],
  );
});

t.test("a node that has not reported its chassis yet waits", { skip }, async (t) => {
  const kube = fakeKube();
  await kube.create(NODES, { metadata: { name: "n1" } });
  replica(t, kube);
  await ask(t, kube, "r1", { node: "n1" });
  await eventually(t, () => kube.requests.find(({ verb, type }) => verb === "get" && type.plural === "nodes"));
  t.equal(kube.object<CertificateRequest>(CERTIFICATE_REQUESTS, { name: "r1" })?.status, undefined);
  const body = { metadata: { annotations: { [NODE.chassis]: "chassis-1" } } };
  await kube.patch(NODES, { name: "n1" }, { type: "merge", body });
  t.ok((await answer(t, kube, "r1")).certificate);
});

t.test("only the daemon of the node whose chassis a request names gets the certificate", { skip }, async (t) => {
  const kube = fakeKube();
  for (const [name, chassis] of [
    ["n1", "chassis-1"],
    ["n2", "chassis-1"],
    ["n3", "a b"],
    ["n4", "chassis-4"],
  ] as const)
    await kube.create(NODES, { metadata: { name, annotations: { [NODE.chassis]: chassis } } });
  const { lines } = replica(t, kube);
  for (const [name, by, message] of [
    ["twin", { node: "n2" }, /node n1 is chassis chassis-1, not only n2/],
    ["owner", { node: "n1" }, /node n2 is chassis chassis-1, not only n1/],
    ["name", { node: "n3" }, /system-id of node n3, "a b", cannot be a name in a certificate/],
    ["gone", { node: "n9" }, /no such Node/],
    ["unbound", {}, /not bound to a pod of a node/],
    ["pod", { node: "n4", user: "system:serviceaccount:default:default" }, /not the account of weft-daemon/],
    ["server", { node: "n4", usages: ["server auth"] }, /no certificates for "server auth"/],
  ] as const) {
    await ask(t, kube, name, by);
    const { certificate, conditions } = await answer(t, kube, name);
    t.equal(certificate, undefined, name);
    t.match(conditions, [{ type: "Denied", message }], name);
    t.match(
      lines.filter(([level, { request }]) => level === "warn" && request === name),
      [["warn", { reason: message }, "denied the certificate request of a node"]],
    );
  }
});

/** The text of a file, when it is there. */
async function waitForFile(path: string): Promise<string> {
  const end = AbortSignal.timeout(60_000);
  for (;;) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (text !== "") return text;
    end.throwIfAborted();
    await once(AbortSignal.timeout(20), "abort");
  }
}
