// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { Container } from "../../kube/types.ts";
import { probePorts } from "./probe-ports.ts";

const ports = (...containers: Partial<Container>[]) =>
  probePorts({
    metadata: { name: "web", uid: "u", resourceVersion: "1" },
    spec: { containers: containers.map((container) => ({ name: "c", ...container })) },
  });

t.test("the ports are those of all probes and hooks that connect, without duplicates", async (t) => {
  const all = ports(
    {
      livenessProbe: { httpGet: { port: 8080 } },
      readinessProbe: { grpc: { port: 9000 } },
      startupProbe: { tcpSocket: { port: 8080 } },
    },
    { lifecycle: { postStart: { httpGet: { port: 80 } }, preStop: { tcpSocket: { port: 81 } } } },
  );
  t.same(all, [80, 81, 8080, 9000]);
  const sidecar = { name: "s", restartPolicy: "Always", readinessProbe: { httpGet: { port: 15021 } } };
  const metadata = { name: "web", uid: "u", resourceVersion: "1" };
  t.same(probePorts({ metadata, spec: { containers: [], initContainers: [sidecar] } }), [15021]);
});

t.test("a named port belongs to its own container, and a number in quotes is a number", async (t) => {
  const named = { readinessProbe: { httpGet: { port: "web" } } };
  t.same(ports({ ...named, ports: [{ name: "web", containerPort: 8443 }] }), [8443]);
  t.same(ports(named, { ports: [{ name: "web", containerPort: 8443 }] }), [], "another container's port");
  t.same(ports({ readinessProbe: { httpGet: { port: "8081" } } }), [8081]);
});

t.test("a probe of another host, one that runs a program, and one without a valid port have none", async (t) => {
  t.same(ports({ readinessProbe: { httpGet: { port: 80, host: "198.51.100.1" } } }), []);
  t.same(ports({ readinessProbe: {} }, {}), []);
  t.same(ports({ readinessProbe: { tcpSocket: { port: 70_000 } } }, { readinessProbe: { grpc: { port: 0 } } }), []);
});
