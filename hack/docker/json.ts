// SPDX-License-Identifier: Apache-2.0

import type { DockerContainer, DockerEngine, DockerNetwork } from "./engine.ts";
import type { ContainerEndpoint } from "./host.ts";

// What the objects of the Docker Engine API 1.44 and later have that clients read here (docs.docker.com/reference/api/engine).

/** `NetworkInspect`, and an item of `NetworkList`. */
export function networkJson(engine: DockerEngine, network: DockerNetwork): object {
  return {
    Name: network.name,
    Id: network.id,
    Created: CREATED,
    Scope: "local",
    Driver: "bridge",
    EnableIPv4: true,
    EnableIPv6: network.subnets.some(({ cidr }) => cidr.includes(":")),
    IPAM: {
      Driver: "default",
      Options: {},
      Config: network.subnets.map(({ cidr, gateway }) => ({ Subnet: cidr, Gateway: gateway })),
    },
    Internal: false,
    Attachable: true,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      engine.members(network).map(({ container, endpoint: { id, mac, v4, v6 } }) => [
        container.id,
        {
          Name: container.name,
          EndpointID: id,
          MacAddress: mac,
          IPv4Address: `${v4.ip}/${v4.prefix}`,
          IPv6Address: v6 === undefined ? "" : `${v6.ip}/${v6.prefix}`,
        },
      ]),
    ),
    Options: {},
    Labels: {},
  };
}

/** An item of `ContainerList`. */
export function containerSummaryJson(engine: DockerEngine, container: DockerContainer): object {
  return {
    Id: container.id,
    Names: [`/${container.name}`],
    Image: container.image,
    ImageID: "",
    Command: container.command.join(" "),
    Created: Date.parse(CREATED) / 1000,
    Ports: [],
    Labels: container.labels,
    State: container.running ? "running" : "created",
    Status: container.running ? "Up" : "Created",
    HostConfig: { NetworkMode: "default" },
    NetworkSettings: { Networks: endpointsJson(engine, container) },
    Mounts: [],
  };
}

/** `ContainerInspect`. */
export function containerJson(engine: DockerEngine, container: DockerContainer): object {
  const [path = "", ...args] = container.command;
  return {
    Id: container.id,
    Created: CREATED,
    Path: path,
    Args: args,
    State: { Status: container.running ? "running" : "created", Running: container.running, ExitCode: 0, Error: "" },
    Image: "",
    Name: `/${container.name}`,
    RestartCount: 0,
    Driver: "overlay2",
    Platform: "linux",
    Mounts: [],
    HostConfig: { NetworkMode: "default", Privileged: true },
    Config: { Hostname: container.name, Image: container.image, Cmd: container.command, Labels: container.labels },
    NetworkSettings: { Networks: endpointsJson(engine, container) },
  };
}

/** A constant: no client compares ages. */
const CREATED = "2026-01-01T00:00:00Z";

function endpointsJson(engine: DockerEngine, container: DockerContainer): object {
  return Object.fromEntries(
    engine.networks().flatMap((network) => {
      const endpoint = container.endpoints.get(network.name);
      return endpoint === undefined ? [] : [[network.name, endpointJson(network, endpoint)]];
    }),
  );
}

function endpointJson({ id, subnets }: DockerNetwork, { id: endpoint, mac, v4, v6 }: ContainerEndpoint): object {
  const gateway = (six: boolean): string => subnets.find(({ cidr }) => cidr.includes(":") === six)?.gateway ?? "";
  return {
    NetworkID: id,
    EndpointID: endpoint,
    MacAddress: mac,
    Gateway: gateway(false),
    IPAddress: v4.ip,
    IPPrefixLen: v4.prefix,
    IPv6Gateway: v6 === undefined ? "" : gateway(true),
    GlobalIPv6Address: v6?.ip ?? "",
    GlobalIPv6PrefixLen: v6?.prefix ?? 0,
  };
}
