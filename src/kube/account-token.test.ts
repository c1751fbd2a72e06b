// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { accountToken } from "./account-token.ts";
import type { ApiRequest } from "./exchange.ts";

const ACCOUNT = { namespace: "kube-system", name: "weft-ui" };

t.test("a token is asked of the account's own path, for so many seconds", async (t) => {
  const asked: ApiRequest[] = [];
  const call = async (request: ApiRequest): Promise<string> => {
    asked.push(request);
    return JSON.stringify({ kind: "TokenRequest", status: { token: "text" } });
  };
  t.equal(await accountToken({ call }, ACCOUNT, 600), "text");
  t.match(asked, [
    {
      method: "POST",
      path: "/api/v1/namespaces/kube-system/serviceaccounts/weft-ui/token",
      body: { kind: "TokenRequest", spec: { expirationSeconds: 600 } },
    },
  ]);
});

t.test("an answer without a token is an error that names the account", async (t) => {
  for (const status of [undefined, {}, { token: "" }, { token: 7 }]) {
    const call = async (): Promise<string> => JSON.stringify({ kind: "TokenRequest", status });
    await t.rejects(accountToken({ call }, ACCOUNT, 600), {
      code: "protocol",
      message: "create a token of ServiceAccount kube-system/weft-ui: the answer has no token",
    });
  }
});
