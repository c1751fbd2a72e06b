// SPDX-License-Identifier: Apache-2.0

/** kube-proxy ignores Services with one of these labels (Kubernetes' `cmd/kube-proxy/app/server.go`). */
const LEFT = ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"];

/** Whether a Service with these labels is left to another proxy or to none: it has a label, with any value, that makes kube-proxy ignore it. */
export function isLeftToOthers(labels: Readonly<Record<string, string>> = {}): boolean {
  return LEFT.some((label) => labels[label] !== undefined);
}
