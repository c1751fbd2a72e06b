// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import fc from "fast-check";
import t, { type Test } from "tap";
import { readKubeconfig } from "./kubeconfig.ts";

const read = async (t: Test, document: unknown): Promise<unknown> =>
  await readKubeconfig(join(t.testdir({ config: JSON.stringify(document) }), "config"));

const word = fc.stringMatching(/^(pki\/)?[a-z0-9-]{1,12}$/);
const fields = (...names: readonly string[]): fc.Arbitrary<Readonly<Partial<Record<string, string>>>> =>
  fc.record(Object.fromEntries(names.map((name) => [name, word])), { requiredKeys: [] });
const document = fc.record({
  clusters: fc.array(
    fc.record({
      name: word,
      cluster: fc
        .tuple(
          fields("certificate-authority-data", "certificate-authority", "tls-server-name", "proxy-url"),
          fc.record({ "insecure-skip-tls-verify": fc.boolean() }, { requiredKeys: [] }),
        )
        .map((parts) => ({ server: "https://a:1", ...parts[0], ...parts[1] })),
    }),
  ),
  users: fc.array(
    fc.record({
      name: word,
      user: fields(
        ...["client-certificate-data", "client-certificate", "client-key-data", "client-key"],
        ...["token", "username", "password", "as"],
      ),
    }),
  ),
  contexts: fc.array(
    fc.record({
      name: word,
      context: fields("user", "namespace").map((given) => ({ cluster: "c", ...given })),
    }),
  ),
  "current-context": word,
});

/** What client-node's public KubeConfig says of a text, in our names; paths are made absolute as for a file at `path`. */
function oracle(text: string, path: string): unknown {
  const config = new KubeConfig();
  config.loadFromString(text);
  config.makePathsAbsolute(join(path, ".."));
  const some = (given: object): object => Object.fromEntries(Object.entries(given).filter(([, value]) => value));
  return {
    clusters: config.clusters.map(({ name, server, caFile, caData, tlsServerName, proxyUrl, skipTLSVerify }) => ({
      ...some({ name, server, caFile, caData, tlsServerName, proxyUrl }),
      skipTlsVerify: skipTLSVerify,
    })),
    users: config.users.map(({ name, certFile, certData, keyFile, keyData, token, username, password, ...rest }) => ({
      ...some({ name, certFile, certData, keyFile, keyData, token, username, password }),
      ...some({ impersonate: rest.impersonateUser }),
      authProvider: false,
    })),
    contexts: config.contexts.map(({ name, cluster, user, namespace }) => some({ name, cluster, user, namespace })),
    currentContext: config.currentContext,
  };
}

t.test("a kubeconfig is read as Kubernetes' client for JavaScript reads it", async (t) => {
  await fc.assert(
    fc.asyncProperty(document, async (document) => {
      const text = JSON.stringify(document);
      const path = join(t.testdir({ config: text }), "config");
      t.strictSame(await readKubeconfig(path), oracle(text, path));
    }),
    { numRuns: 50 },
  );
});

t.test("what is missing or of another type is named", async (t) => {
  const cases: readonly (readonly [unknown, string])[] = [
    [{ clusters: [{ cluster: { server: "https://a" } }] }, "clusters[0].name is missing"],
    [{ clusters: [{ name: "c", cluster: {} }] }, "clusters[0].cluster.server is missing"],
    [{ clusters: {} }, "clusters must be a list"],
    [{ users: [{ name: "u", user: { token: 1 } }] }, "users[0].user.token must be a string"],
    [{ users: [{ name: "u", user: { exec: {} } }] }, "users[0].user.exec.command is missing"],
    [
      { users: [{ name: "u", user: { exec: { command: "a", args: [1] } } }] },
      "users[0].user.exec.args[0] must be a string",
    ],
    [{ contexts: [{ name: "c" }] }, "contexts[0].context.cluster is missing"],
    [[], "not a kubeconfig"],
  ];
  for (const [document, message] of cases) await t.rejects(read(t, document), { message });
});

t.test("a credential plugin keeps its arguments and environment", async (t) => {
  const exec = { apiVersion: "v1", command: "a", args: ["b"], env: [{ name: "C", value: "d" }] };
  t.match(
    await read(t, {
      users: [
        { name: "u", user: { exec } },
        { name: "v", user: { exec: null } },
      ],
    }),
    {
      users: [{ exec: { apiVersion: "v1", command: "a", args: ["b"], env: { C: "d" } } }, { exec: undefined }],
    },
  );
});
