// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { KubeError } from "../../kube/errors.ts";
import { SECRETS } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import type { Secret } from "../../kube/types.ts";
import { SEAL_SECRET, sealKey } from "./seal-key.ts";

const REF = { namespace: "kube-system", name: SEAL_SECRET };

t.test("all replicas seal logins with one key, which is not in the clear elsewhere", async (t) => {
  const kube = fakeKube();
  const key = await sealKey(kube, "kube-system");
  t.equal(key.length, 32);
  t.strictSame(await sealKey(kube, "kube-system"), key);
  const { type } = (await kube.get<Secret>(SECRETS, REF)) as Secret & { readonly type?: string };
  t.equal(type, "Opaque");
});

t.test("of two replicas that start at once the second one uses the key of the first", async (t) => {
  const kube = fakeKube();
  let key: Buffer | undefined;
  const late: Pick<typeof kube, "get" | "create"> = {
    get: kube.get.bind(kube),
    create: async (...given) => {
      key = await sealKey(kube, "kube-system");
      return await kube.create(...given);
    },
  };
  t.strictSame(await sealKey(late, "kube-system"), key);
});

t.test("a Secret without such a key, and an API server that refuses, are errors that say so", async (t) => {
  const kube = fakeKube();
  await kube.create(SECRETS, { metadata: REF, data: { key: Buffer.from("short").toString("base64") } } as never);
  await t.rejects(sealKey(kube, "kube-system"), {
    message: /kube-system\/weft-page has no key of 32 bytes: delete it/,
  });
  const refuse = (): Promise<never> => Promise.reject(new KubeError("forbidden", "no"));
  await t.rejects(sealKey({ get: refuse, create: refuse }, "kube-system"), { code: "forbidden" });
  const absent = (): Promise<never> => Promise.reject(new KubeError("not-found", "none"));
  await t.rejects(sealKey({ get: absent, create: refuse }, "kube-system"), { code: "forbidden" });
});
