// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { commaList } from "../../collections/comma-list.ts";
import { type Informer, informer } from "../../kube/informer.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { SERVICES } from "../../kube/resources.ts";
import { parseIp } from "../../net/address.ts";
import type { Clock } from "../../time/clock.ts";

/** The part of the Service of the cluster's DNS that is read. */
interface DnsService extends KubeObject {
  readonly spec?: {
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    readonly ports?: readonly { readonly port: number; readonly protocol?: string; readonly name?: string }[];
  };
}

/** The addresses of the cluster's DNS: a setting, or those of its Service, which is watched. */
export class DnsServers {
  readonly #fixed: readonly string[];
  readonly #informer: Informer<readonly string[]> | undefined;

  /**
   * `servers` are `address` or `address:port`, separated by commas; empty: those of the Service `service` (`namespace/name`). `onChange` is called
   * when they have changed.
   */
  constructor(
    { kube, clock, log }: { readonly kube: Kube; readonly clock: Clock; readonly log: Logger },
    { servers, service }: { readonly servers: string; readonly service: string },
    onChange: () => void,
  ) {
    this.#fixed = commaList(servers);
    if (this.#fixed.length > 0) return;
    const [namespace = "", name = ""] = service.split("/");
    this.#informer = informer<DnsService, readonly string[]>(kube, SERVICES, {
      namespace,
      fieldSelector: `metadata.name=${name}`,
      project: addressesOf,
      equal: (a, b) => a.join() === b.join(),
      onError: (error) =>
        log.warn({ err: error, service }, "failed to read the Service of the cluster's DNS; retrying"),
      clock,
    });
    this.#informer.subscribe(onChange);
  }

  /** In the form of node:dns; none while they are unknown. */
  get addresses(): readonly string[] {
    return this.#informer === undefined ? this.#fixed : [...this.#informer.values()].flat();
  }

  /** Starts the watch of the Service. */
  start(): void {
    this.#informer?.start();
  }

  /** Stops the watch. */
  async stop(): Promise<void> {
    await this.#informer?.stop();
  }
}

function addressesOf({ spec }: DnsService): readonly string[] {
  const port =
    spec?.ports?.find(({ protocol, name }) => protocol === "UDP" && (name ?? "dns").startsWith("dns"))?.port ?? 53;
  return (spec?.clusterIPs ?? [spec?.clusterIP ?? ""]).flatMap((text) => {
    const ip = parseIp(text);
    if (ip === undefined) return [];
    return `${ip.family === 4 ? ip.text : `[${ip.text}]`}:${port}`;
  });
}
