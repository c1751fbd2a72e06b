// SPDX-License-Identifier: Apache-2.0

import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { NODE } from "../../api/annotations.ts";
import { CENTRAL_CA, CENTRAL_SECRET, NODE_CA, SIGNER, TOKEN_NODE, TRUST } from "../../api/certificates.ts";
import { CERTIFICATE_REQUESTS, CONFIG_MAPS, NODES, SECRETS } from "../../kube/resources.ts";
import { type FakeKube, fakeKube } from "../../kube/testing/fake.ts";
import type { CertificateRequest, ConfigMap, Node, Secret } from "../../kube/types.ts";
import { type CertifiedKey, issueKey, makeAuthority, makeRequest, newKey } from "../../pki/authority.ts";
import { isIssuedBy } from "../../pki/certificate.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { decode, encode } from "./authorities.ts";
import { Certificates } from "./certificates.ts";

const skip = spawnSync("openssl", ["version"]).status === 0 ? false : "no openssl on the PATH";
const namespace = "kube-system";
const DAY = 86_400_000;

/** Lines of a log: level and message with its fields. */
type Line = readonly [string, Readonly<Record<string, unknown>>, string];

/** A new folder. */
function scratch(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), "weft-tls-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A replica of the controller, as far as certificates are concerned; `ahead`: ms by which its clock is ahead. */
function replica(t: Test, kube: FakeKube, ahead = 0) {
  const folder = join(scratch(t), "tls");
  const lines: Line[] = [];
  const level = (name: string) => (fields: object, message: string) =>
    void lines.push([name, fields as Readonly<Record<string, unknown>>, message]);
  const certificates = new Certificates({
    ...{ kube, namespace, folder, days: 90 },
    clock: { ...SYSTEM_CLOCK, wall: () => Date.now() + ahead },
    log: { info: level("info"), warn: level("warn"), debug: level("debug") } as never,
    whenNodesKnown: () => Promise.resolve(),
    nodesOf: (chassis) =>
      kube
        .objects<Node>(NODES)
        .filter(({ metadata }) => metadata.annotations?.[NODE.chassis] === chassis)
        .map(({ metadata }) => metadata.name),
  });
  t.teardown(() => certificates.stop());
  certificates.start();
  return { folder, lines, certificates };
}

/** Resolves when an object is as expected. */
async function eventually<T>(t: Test, find: () => T | undefined): Promise<T> {
  const end = AbortSignal.timeout(10_000);
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    if (end.aborted) throw new Error(`not within 10 s in "${t.name}"`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const secret = (kube: FakeKube, name: string): Secret | undefined => kube.object<Secret>(SECRETS, { namespace, name });
/** Resolves with the text of the Secret of ovn-central's certificate, when it differs from `before`. */
const centralPem = (t: Test, kube: FakeKube, before?: string): Promise<string> =>
  eventually(t, () => {
    const found = secret(kube, CENTRAL_SECRET);
    const pem = found && decode(found, "tls.pem");
    return pem === before ? undefined : pem;
  });

t.test("the databases' certificates are created once, however many replicas there are", { skip }, async (t) => {
  const kube = fakeKube();
  const [one, two] = [replica(t, kube), replica(t, kube)];
  const pem = await centralPem(t, kube);
  const trust = await eventually(t, () => kube.object<ConfigMap>(CONFIG_MAPS, { namespace, name: TRUST })?.data);
  const [central = "", nodes = ""] = [CENTRAL_CA, NODE_CA].map((name) => {
    const found = secret(kube, name);
    return found && decode(found, "tls.crt");
  });
  t.strictSame(trust, { "ca.pem": central, "node-issuer.pem": nodes });
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
    await replica(t, kube, 59 * DAY).certificates.stop();
    t.equal(await centralPem(t, kube), pem);
    const later = replica(t, kube, 61 * DAY);
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
    replica(t, kube);
    const again = await centralPem(t, kube, renewed);
    t.ok(isIssuedBy(again, other.certificate));
    const found = secret(kube, CENTRAL_SECRET);
    t.equal(
      found && decode(found, "ca.pem"),
      other.certificate + former,
      "what the former one has signed still counts",
    );
  },
);

/** An administrator's Secret of type `kubernetes.io/tls`. */
const given = (kube: FakeKube, name: string, data: Readonly<Record<string, string>>): Promise<Secret> =>
  kube.create<Secret>(SECRETS, {
    metadata: { namespace, name },
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, encode(text)])),
  });

t.test("a Secret without an authority is reported and never overwritten", { skip }, async (t) => {
  const at = { commonName: "given", now: Date.now(), days: 9 };
  const good = await makeAuthority(scratch(t), at);
  const [other, ended] = [await newKey(), await makeAuthority(scratch(t), { ...at, now: Date.now() - 10 * DAY })];
  const leaf = await issueKey(scratch(t), good, { ...at, usages: ["clientAuth"] });
  const broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  for (const [crt, key, reason, ca = ""] of [
    ["nonsense", "", /no certificate in tls.crt/],
    [broken, good.privateKey, /a malformed certificate/],
    [good.certificate, good.privateKey, /a malformed certificate/, broken],
    [good.certificate, "", /no private key in tls.key that belongs/],
    [good.certificate, other, /no private key in tls.key that belongs/],
    [ended.certificate, ended.privateKey, /that has ended, on /],
    [leaf.certificate, leaf.privateKey, /not of an authority/],
  ] as const) {
    const kube = fakeKube();
    const { data } = await given(kube, CENTRAL_CA, { "tls.crt": crt, "tls.key": key, "ca.crt": ca });
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
      await given(kube, CENTRAL_CA, secrets[0]);
      await given(kube, NODE_CA, secrets[1]);
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
  await given(kube, CENTRAL_SECRET, { "tls.pem": broken });
  replica(t, kube);
  t.equal(new X509Certificate(await centralPem(t, kube, broken)).subject, "CN=ovn-central");
});

/** An authority that is signed by another one, created with OpenSSL. */
function subordinate(folder: string, root: CertifiedKey, name: string): CertifiedKey {
  writeFileSync(join(folder, "root.crt"), root.certificate);
  writeFileSync(join(folder, "root.key"), root.privateKey);
  writeFileSync(join(folder, "ca.ext"), "basicConstraints=critical,CA:TRUE\n");
  const run = (...args: string[]): string => String(execFileSync("openssl", args, { cwd: folder, stdio: "pipe" }));
  run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", `/CN=${name}`, "-keyout", "sub.key", "-out", "sub.csr");
  const by = ["-CA", "root.crt", "-CAkey", "root.key", "-set_serial", "7", "-days", "9", "-extfile", "ca.ext"];
  const certificate = run("x509", "-req", "-in", "sub.csr", ...by);
  return { certificate, privateKey: readFileSync(join(folder, "sub.key"), "utf8") };
}

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
  const end = AbortSignal.timeout(10_000);
  for (;;) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (text !== "") return text;
    end.throwIfAborted();
    await once(AbortSignal.timeout(20), "abort");
  }
}
