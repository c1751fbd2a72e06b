// SPDX-License-Identifier: Apache-2.0

import type { Container, Pod, ProbeHandler } from "../../kube/types.ts";

/**
 * The TCP ports at a pod's address that kubelet connects to: those of `httpGet`, `tcpSocket` and `grpc` in probes and
 * lifecycle hooks, without duplicates, in ascending order. Actions with a `host` of their own are excluded: kubelet
 * connects to that host instead of the pod.
 */
export function probePorts({ spec = {} }: Pod): readonly number[] {
  const containers: readonly Container[] = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  const ports = containers.flatMap((container) =>
    handlersOf(container).flatMap((handler) => portsOf(handler, container)),
  );
  return [...new Set(ports)].sort((a, b) => a - b);
}

function handlersOf(container: Container): readonly ProbeHandler[] {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  const all = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop];
  return all.filter((handler) => handler !== undefined && handler !== null);
}

function portsOf({ httpGet, tcpSocket, grpc }: ProbeHandler, { ports = [] }: Container): readonly number[] {
  const own = [httpGet, tcpSocket].filter((action) => action !== undefined && !action.host);
  const texts = [...own.map((action) => action?.port), grpc?.port];
  return texts.flatMap((port) => {
    // As kubelet resolves it: the name of a port of the container, or a number in quotes (pkg/probe/util.go, ResolveContainerPort).
    const named = ports.find(({ name }) => typeof port === "string" && name === port)?.containerPort;
    const number = Number(named ?? port ?? 0);
    return Number.isInteger(number) && number > 0 && number <= 65_535 ? [number] : [];
  });
}
