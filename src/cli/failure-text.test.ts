// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { KubeError } from "../kube/errors.ts";
import { failureText } from "./failure-text.ts";

t.test("credentials that the API server does not accept are not called a lacking permission", async (t) => {
  const text = failureText(
    new KubeError("unauthorized", "list pods: Unauthorized (401 Unauthorized)", { status: 401 }),
  );
  t.match(text, /does not accept the credentials/);
  t.notMatch(text, /lacks/);
});

t.test("a certificate that is not trusted is not called a server that does not answer", async (t) => {
  const error = new KubeError("unavailable", "list pods: self-signed certificate in certificate chain");
  t.match(failureText(error), /\nThe API server's certificate is not trusted: is this the right --kubeconfig/);
  t.match(failureText(new KubeError("unavailable", "list pods: connect ECONNREFUSED")), /does not answer: is it up/);
});
