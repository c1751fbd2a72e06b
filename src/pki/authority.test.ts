// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readdir } from "node:fs/promises";
import t from "tap";
import { isCommonName, issue, issueKey, makeAuthority, makeRequest, newKey } from "./authority.ts";
import { certificatesIn, isIssuedBy } from "./certificate.ts";
import { renewalTime } from "./renewal.ts";

const skip = spawnSync("openssl", ["version"]).status === 0 ? false : "no openssl on the PATH";
const now = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;

t.test("an authority signs certificates with the requested name and uses", { skip }, async (t) => {
  const folder = t.testdir();
  const authority = await makeAuthority(folder, { commonName: "weft-node-ca", now, days: 3650 });
  const subject = { commonName: "chassis-1", usages: ["clientAuth"], now, days: 90 } as const;
  const { certificate, privateKey } = await issueKey(folder, authority, subject);
  const read = new X509Certificate(certificate);
  t.equal(read.subject, "CN=chassis-1");
  t.equal(read.issuer, "CN=weft-node-ca");
  t.strictSame(read.keyUsage, ["1.3.6.1.5.5.7.3.2"], "clientAuth alone");
  t.equal(read.ca, false);
  t.equal(Date.parse(read.validFrom), now - DAY);
  t.equal(Date.parse(read.validTo), now + 90 * DAY);
  t.ok(privateKey.startsWith("-----BEGIN PRIVATE KEY-----"));
  t.ok(isIssuedBy(certificate, authority.certificate));
  const other = await makeAuthority(folder, { commonName: "weft-node-ca", now, days: 1 });
  t.notOk(isIssuedBy(certificate, other.certificate), "the same name with another key is another authority");
  t.notOk(isIssuedBy(authority.certificate, certificate));
  t.strictSame(await readdir(folder), [], "no key remains in a file");
});

t.test("what was signed by a clock that was hours ahead is valid by a right clock", { skip }, async (t) => {
  const folder = t.testdir();
  const ahead = { now: now + 23 * 3_600_000, days: 10 };
  const authority = await makeAuthority(folder, { commonName: "ca", ...ahead });
  const { certificate } = await issueKey(folder, authority, { commonName: "a", usages: ["clientAuth"], ...ahead });
  for (const pem of [authority.certificate, certificate]) {
    t.ok(Date.parse(new X509Certificate(pem).validFrom) <= now);
    t.ok(renewalTime(pem) > ahead.now, "it is not renewed at once");
  }
});

t.test("only the key of a request is used", { skip }, async (t) => {
  const folder = t.testdir();
  const authority = await makeAuthority(folder, { commonName: "ca", now, days: 10 });
  const request = await makeRequest(folder, await newKey(), "another-chassis");
  const subject = { commonName: "chassis-1", usages: ["clientAuth"], now, days: 1 } as const;
  t.equal(new X509Certificate(await issue(folder, authority, request, subject)).subject, "CN=chassis-1");
});

t.test("a request that is malformed, or signed with another key, is refused", { skip }, async (t) => {
  const folder = t.testdir();
  const authority = await makeAuthority(folder, { commonName: "ca", now, days: 10 });
  const subject = { commonName: "chassis-1", usages: ["clientAuth"], now, days: 1 } as const;
  const request = await makeRequest(folder, await newKey(), "a");
  const bytes = Buffer.from(request.split("\n").slice(1, -2).join(""), "base64");
  // The last byte is the signature's.
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
  for (const text of [forged, "", "nonsense", authority.certificate]) {
    await t.rejects(issue(folder, authority, text, subject), { code: "refused" });
  }
  t.strictSame(await readdir(folder), []);
});

t.test("a certificate is renewed when a third of its lifetime is left", { skip }, async (t) => {
  const folder = t.testdir();
  const { certificate } = await makeAuthority(folder, { commonName: "ca", now, days: 30 });
  t.equal(renewalTime(certificate), now + 20 * DAY - DAY / 3);
});

t.test("names that would need quoting are not valid", async (t) => {
  for (const name of ["b3b1d0f6-7a0e-4c5e-a3a3-3f6b2b0f8f3a", "node-1.example.com", "a_b"])
    t.ok(isCommonName(name), name);
  for (const name of ["", "a/CN=b", "a b", "é", "a\n", "x".repeat(65)])
    t.notOk(isCommonName(name), JSON.stringify(name));
});

t.test("the certificates of a text are split", { skip }, async (t) => {
  const folder = t.testdir();
  const [one, two] = await Promise.all(
    ["one", "two"].map((commonName) => makeAuthority(folder, { commonName, now, days: 1 })),
  );
  const text = `first\n${one?.certificate}second ${two?.certificate}`;
  t.strictSame(certificatesIn(text), [one?.certificate, two?.certificate]);
  t.strictSame(certificatesIn("nothing"), []);
});
