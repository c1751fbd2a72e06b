// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { serverVersion } from "./server-version.ts";

const answering = (text: string) => serverVersion({ call: async () => text });

t.test(
  "the version is the server's gitVersion; another answer, as of a proxy, is an error with its code",
  async (t) => {
    t.equal(await answering('{"major":"1","gitVersion":"v1.34.4"}'), "v1.34.4");
    const what = "read the version of the API server";
    for (const text of ["{}", "[]", '{"gitVersion":1}'])
      await t.rejects(answering(text), { code: "protocol", message: `${what}: no gitVersion in the answer` }, text);
    await t.rejects(answering("null"), { code: "protocol", message: `${what}: the answer is not an object` });
    await t.rejects(answering("<html>"), { code: "protocol", message: `${what}: the answer is not JSON` });
  },
);
