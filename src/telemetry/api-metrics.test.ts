// SPDX-License-Identifier: Apache-2.0

import { Registry } from "prom-client";
import t from "tap";
import { apiMetrics, pathTemplate } from "./api-metrics.ts";

t.test("paths of the API server lose the names of objects and namespaces", async (t) => {
  for (const [path, template] of [
    ["/api/v1/pods?watch=1&resourceVersion=7", "/api/v1/pods"],
    ["/api/v1/namespaces/shop/pods/cart-0", "/api/v1/pods"],
    ["/api/v1/namespaces/shop/pods/cart-0/status", "/api/v1/pods/status"],
    ["/api/v1/namespaces/shop", "/api/v1/namespaces"],
    ["/api/v1/nodes/n1/status", "/api/v1/nodes/status"],
    ["/apis/kubeovn.io/v1/ips/cart-0.shop", "/apis/kubeovn.io/v1/ips"],
    ["/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/l", "/apis/coordination.k8s.io/v1/leases"],
    ["/version", "/version"],
  ] as const)
    t.equal(pathTemplate(path), template);
});

t.test("requests to the API server are counted by status, method and kind of object", async (t) => {
  const registry = new Registry();
  const note = apiMetrics(registry);
  for (const name of ["a", "b", "c"])
    note({ method: "PATCH", path: `/api/v1/namespaces/shop/pods/${name}`, status: 200, seconds: 0.01 });
  note({ method: "GET", path: "/api/v1/nodes", status: 503, seconds: 2 });
  const text = await registry.metrics();
  for (const line of [
    'rest_client_requests_total{code="200",method="PATCH"} 3',
    'rest_client_requests_total{code="503",method="GET"} 1',
    'rest_client_request_latency_seconds_count{verb="PATCH",url="/api/v1/pods"} 3',
  ])
    t.ok(text.includes(`${line}\n`), line);
});
