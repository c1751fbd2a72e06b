// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import t, { type Test } from "tap";
import { type KubeconfigContext, readKubeconfigs } from "./kubeconfig.ts";

/** Writes documents to files and parses these. */
async function read(t: Test, documents: readonly unknown[], context?: string): Promise<KubeconfigContext> {
  const files = Object.fromEntries(documents.map((document, i) => [`config${i}`, JSON.stringify(document)]));
  const folder = t.testdir(files);
  return await readKubeconfigs(
    Object.keys(files).map((name) => join(folder, name)),
    context,
  );
}

t.test("a missing field or one of another type is named, with the file", async (t) => {
  const cases: readonly (readonly [unknown, string])[] = [
    [{ clusters: [{ cluster: { server: "https://a" } }] }, "clusters[0].name is missing"],
    [{ clusters: [{ name: "c", cluster: {} }] }, "clusters[0].cluster.server is missing"],
    [{ clusters: {} }, "clusters must be a list"],
    [{ clusters: [null] }, "clusters[0] must be an object"],
    [{ users: [{ name: "u", user: [] }] }, "users[0].user must be an object"],
    [{ users: [{ name: "u", user: { token: 1 } }] }, "users[0].user.token must be a string"],
    [{ contexts: [{ name: "c" }] }, "contexts[0].context is missing"],
    [{ contexts: [{ name: "c", context: {} }] }, "contexts[0].context.cluster is missing"],
    [[], "not a kubeconfig"],
    ["text", "not a kubeconfig"],
    ["", "Failed to load YAML"],
    [{}, "no context is current"],
    [{ "current-context": "a" }, "no context a"],
    [{ "current-context": "a", contexts: [{ name: "a", context: { cluster: "b" } }] }, "no cluster b"],
  ];
  for (const [document, message] of cases) {
    const pattern = new RegExp(`^kubeconfig \\S+/config0: ${message.replaceAll(/[[\]]/g, "\\$&")}$`);
    await t.rejects(read(t, [document]), { code: "config", message: pattern });
  }
});

t.test(
  "of entries with one name in several files the first one is used, and so is the first current context",
  async (t) => {
    const cluster = (server: string): object => ({ name: "c", cluster: { server } });
    const context = (name: string, namespace: string): object => ({
      name,
      context: { cluster: "c", user: "u", namespace },
    });
    const documents = [
      { clusters: [cluster("https://one")], contexts: [context("a", "first")] },
      {
        "current-context": "a",
        clusters: [cluster("https://two")],
        users: [{ name: "u", user: { token: "t" } }],
        contexts: [context("a", "second"), context("b", "third")],
      },
      { "current-context": "b", users: [{ name: "u", user: { token: "other" } }] },
    ];
    t.match(await read(t, documents), {
      cluster: { server: "https://one" },
      user: { token: "t" },
      namespace: "first",
    });
    t.match(await read(t, documents, "b"), { namespace: "third" });
  },
);
