// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { KubeError } from "./errors.ts";
import type { Kube } from "./kube.ts";
import { metricsReaders } from "./metrics-readers.ts";
import { TOKEN_REVIEWS } from "./resources.ts";

/** An API server that knows two tokens, of which one may read metrics. */
function reviewing() {
  const asked: unknown[] = [];
  let away = false;
  let now = 0;
  const kube = {
    async create(type: unknown, { spec }: { spec: Record<string, unknown> }) {
      asked.push(spec);
      if (away) throw new KubeError("unavailable", "away");
      if (type !== TOKEN_REVIEWS) return { metadata: {}, status: { allowed: spec["user"] === "prometheus" } };
      const username = { good: "prometheus", other: "pod" }[String(spec["token"])];
      const user = { username, uid: "u", groups: ["g"], extra: { pod: ["p"] } };
      return { metadata: {}, status: username === undefined ? { error: "unknown" } : { authenticated: true, user } };
    },
  } as unknown as Pick<Kube, "create">;
  const admit = metricsReaders(kube, { now: () => now }, "/metrics");
  return {
    asked,
    admit,
    leave: () => (away = true),
    pass: (ms: number) => (now += ms),
  };
}

t.test("an account that may get /metrics is admitted, and reviewed once a minute", async (t) => {
  const { admit, asked, pass } = reviewing();
  t.same(await Promise.all([admit("Bearer good"), admit("bearer good")]), ["admitted", "admitted"]);
  t.same(asked, [
    { token: "good" },
    {
      ...{ user: "prometheus", uid: "u", groups: ["g"], extra: { pod: ["p"] } },
      nonResourceAttributes: { path: "/metrics", verb: "get" },
    },
  ]);
  pass(59_000);
  t.equal(await admit("Bearer good"), "admitted");
  t.equal(asked.length, 2);
  pass(2_000);
  t.equal(await admit("Bearer good"), "admitted");
  t.equal(asked.length, 4);
});

t.test(
  "without a token, with an unknown one, or with one of an account without the right, access is denied",
  async (t) => {
    const { admit, asked } = reviewing();
    for (const header of [undefined, "", "Bearer", "Basic good", "Bearer a b", `Bearer ${"x".repeat(20_000)}`])
      t.equal(await admit(header), "unauthenticated", `${header?.slice(0, 20)}`);
    t.equal(asked.length, 0);
    t.equal(await admit("Bearer stranger"), "unauthenticated");
    t.equal(await admit("Bearer other"), "forbidden");
  },
);

t.test("while the API server is away its last answer holds for ten minutes", async (t) => {
  const { admit, leave, pass } = reviewing();
  t.equal(await admit("Bearer good"), "admitted");
  t.equal(await admit("Bearer other"), "forbidden");
  leave();
  pass(500_000);
  t.equal(await admit("Bearer good"), "admitted");
  t.equal(await admit("Bearer other"), "forbidden");
  t.equal(await admit("Bearer new"), "unknown");
  pass(200_000);
  t.equal(await admit("Bearer good"), "unknown");
});

t.test("many unknown tokens cost few reviews at once, and no known reader is dropped", async (t) => {
  const { admit, asked } = reviewing();
  t.equal(await admit("Bearer good"), "admitted");
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => admit(`Bearer none-${i}`)));
  t.equal(answers.filter((answer) => answer === "unauthenticated").length, 4);
  t.equal(answers.filter((answer) => answer === "unknown").length, 196);
  const before = asked.length;
  t.equal(await admit("Bearer good"), "admitted");
  t.equal(asked.length, before);
});
