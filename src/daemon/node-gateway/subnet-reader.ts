// SPDX-License-Identifier: Apache-2.0

import { SUBNET } from "../../api/annotations.ts";
import { samePlain } from "../../collections/plain.ts";
import { ContractError } from "../../contract/document.ts";
import { decodeSubnetContract, type SubnetContract } from "../../contract/subnet.ts";
import { type Informer, informer } from "../../kube/informer.ts";
import type { InformerTime } from "../../kube/informer-options.ts";
import type { Kube } from "../../kube/kube.ts";
import { SUBNETS } from "../../kube/resources.ts";
import { contractOfStatus, type Subnet } from "./subnet-status.ts";

/** What a node knows of a subnet. */
export interface RoutedSubnet {
  readonly name: string;
  /** The subnet's contract, or why it is not known: then the present state must stay. */
  readonly contract: SubnetContract | string;
}

/** The logger of {@link SubnetReader}. */
type Log = Record<"debug" | "warn", (fields: object, message: string) => void>;

/**
 * Reads the contracts of subnets, and keeps the last valid one of each: a malformed or removed contract does not
 * cause anything to be removed.
 */
export class SubnetReader {
  readonly #log: Log;
  readonly #good = new Map<string, { readonly uid: string; readonly contract: SubnetContract }>();
  /** name → the text that was logged last, "" for none. */
  readonly #logged = new Map<string, string>();

  constructor(log: Log) {
    this.#log = log;
  }

  read(subnet: Subnet): RoutedSubnet {
    const { name, uid, annotations = {} } = subnet.metadata;
    const text = annotations[SUBNET.nodeContract];
    const known = this.#good.get(name);
    const good = known?.uid === uid ? known.contract : undefined;
    if (text === undefined) {
      const isNew = this.#isNew(name, "");
      if (good !== undefined) return { name, contract: good };
      if (isNew) this.#log.debug({ subnet: name }, "the Subnet has no contract yet; its spec and its status are used");
      return { name, contract: contractOfStatus(subnet) };
    }
    try {
      const contract = decodeSubnetContract(text);
      this.#good.set(name, { uid, contract });
      this.#logged.delete(name);
      return { name, contract };
    } catch (error) {
      if (!(error instanceof ContractError)) throw error;
      const { code, message } = error;
      if (this.#isNew(name, text)) {
        const then = good === undefined ? "the node's network stays as it is" : "the last valid one stays active";
        this.#log.warn({ subnet: name, code, reason: message }, `the Subnet's contract is malformed; ${then}`);
      }
      return { name, contract: good ?? `annotation ${SUBNET.nodeContract} of Subnet ${name}: ${message}` };
    }
  }

  forget(name: string): void {
    this.#good.delete(name);
    this.#logged.delete(name);
  }

  #isNew(name: string, text: string): boolean {
    const isNew = this.#logged.get(name) !== text;
    this.#logged.set(name, text);
    return isNew;
  }
}

/** Watches all subnets. Changes of their status, which every pod causes, are not reported. */
export function subnetInformer(
  kube: Kube,
  log: Log,
  onError: (error: unknown, context: string) => void,
  time: InformerTime = {},
): Informer<RoutedSubnet> {
  const reader = new SubnetReader(log);
  const made = informer<Subnet, RoutedSubnet>(kube, SUBNETS, {
    fromMemory: true,
    project: (subnet) => reader.read(subnet),
    equal: sameSubnet,
    onError,
    ...time,
  });
  // A new object of the same name may already exist.
  made.subscribe(({ key }) => made.get(key) ?? reader.forget(key));
  return made;
}

function sameSubnet(a: RoutedSubnet, b: RoutedSubnet): boolean {
  return a === b || samePlain(a, b);
}
