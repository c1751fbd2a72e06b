// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { KubeError } from "./errors.ts";
import { collectionPath, listQuery, objectPath, watchQuery } from "./paths.ts";
import { NODES, PODS, SUBNETS } from "./resources.ts";
import { parseList, parseObject, parseWatchLine } from "./wire.ts";

t.test("paths and queries are those of the API", async (t) => {
  t.equal(collectionPath(PODS, undefined), "/api/v1/pods");
  t.equal(collectionPath(PODS, "kube-system"), "/api/v1/namespaces/kube-system/pods");
  t.equal(collectionPath(NODES, "ignored"), "/api/v1/nodes");
  t.equal(objectPath(SUBNETS, { name: "a/b" }, "status"), "/apis/kubeovn.io/v1/subnets/a%2Fb/status");
  t.equal(
    listQuery({ fieldSelector: "spec.nodeName=a,spec.hostNetwork=false", limit: 500 }),
    "?fieldSelector=spec.nodeName%3Da%2Cspec.hostNetwork%3Dfalse&limit=500",
  );
  const signal = new AbortController().signal;
  t.equal(
    watchQuery({ resourceVersion: "7", timeoutSeconds: 300, signal }),
    "?watch=true&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=300",
  );
});

t.test("a list without items, without a next page, or without a version is distinguished", async (t) => {
  t.same(parseList('{"metadata":{"resourceVersion":"9"},"items":null}', "list"), { resourceVersion: "9", items: [] });
  t.same(parseList('{"metadata":{"resourceVersion":"9","continue":""},"items":[]}', "list"), {
    resourceVersion: "9",
    items: [],
  });
  for (const text of ["", "[]", "null", '{"items":[]}', '{"metadata":{"resourceVersion":"1"},"items":[{}]}', "{"]) {
    t.throws(() => parseList(text, "list pods"), { code: "protocol", message: /^list pods: / });
    t.throws(() => parseObject(text, "get pod"), { code: "protocol" });
  }
});

t.test("an ERROR event is thrown as its error", async (t) => {
  const expired = { type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired", message: "too old" } };
  t.throws(() => parseWatchLine(JSON.stringify(expired), "watch pods"), {
    code: "gone",
    status: 410,
    reason: "Expired",
    message: "watch pods: too old (410 Expired)",
  });
  t.throws(() => parseWatchLine('{"type":"ERROR","object":{}}', "watch"), { code: "internal" });
  t.throws(() => parseWatchLine('{"type":"NEWS","object":{}}', "watch"), { code: "protocol" });
  t.throws(() => parseWatchLine('{"type":"ADDED","object":{"metadata":{}}}', "watch"), { code: "protocol" });
  t.same(parseWatchLine('{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}', "watch"), {
    type: "BOOKMARK",
    resourceVersion: "5",
  });
});

t.test("each status has its code, and only temporary errors are retryable", async (t) => {
  const codes = [400, 401, 403, 404, 405, 409, 410, 415, 422, 429, 500, 502, 503, 504, 507, 302].map((status) => {
    const { code, retryable } = KubeError.fromAnswer(status, "why\nmore", "get x");
    return `${status} ${code}${retryable ? " again" : ""}`;
  });
  t.same(codes, [
    "400 invalid",
    "401 unauthorized",
    "403 forbidden",
    "404 not-found",
    "405 invalid",
    "409 conflict",
    "410 gone",
    "415 invalid",
    "422 invalid",
    "429 throttled again",
    "500 internal again",
    "502 unavailable again",
    "503 unavailable again",
    "504 unavailable again",
    "507 internal again",
    "302 protocol",
  ]);
  t.equal(KubeError.fromAnswer(409, '{"reason":"AlreadyExists","message":"m"}', "create x").code, "exists");
  t.equal(KubeError.fromAnswer(500, "{not json", "get x").message, "get x: {not json (500)");
  // The API server quotes its request to kubelet, with the whole command of an exec.
  const post = 'Post "https://192.0.2.1:10250/exec/a/b/c?command=sh&command=-c&command=exit+1": no route to host';
  t.equal(
    KubeError.fromAnswer(500, JSON.stringify({ message: post }), "run").message,
    'run: Post "https://192.0.2.1:10250/exec/a/b/c": no route to host (500)',
  );
});
