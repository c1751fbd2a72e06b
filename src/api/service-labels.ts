// SPDX-License-Identifier: Apache-2.0

/** The labels whose absence kube-proxy selects (Kubernetes' `cmd/kube-proxy/app/server.go`). */
const LEFT = ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"];

/** Whether a Service with these labels is left to another proxy, or to none: it has one that kube-proxy leaves alone, whatever its value. */
export function isLeftToOthers(labels: Readonly<Record<string, string>> = {}): boolean {
  return LEFT.some((label) => labels[label] !== undefined);
}
