// SPDX-License-Identifier: Apache-2.0

/** A fault in words: the plugin, its options, and for how long. */
export interface Worded {
  readonly plugin: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly seconds?: number;
}

const FOR = /\s+for\s+(\d+(?:\.\d+)?)\s+(?:s|seconds?)$/;
const SERVICE =
  /^(kill|terminate|restart|hang|freeze|stop)\s+(\S+)(?:\s+(leader|standby|follower))?(?:\s+service)?(?:\s+on\s+(?:(one|single|random|all)\s+nodes?|(\S+?)(?:\s+node)?))?$/;
const NODE = /^(?:crash|reset|reboot|poweroff)\s+(?:(one|single|random)\s+node|(\S+?)(?:\s+node)?)$/;
const NETWORK = /^disconnect\s+(one\s+node|\S+)\s+(from|to)\s+(\S+)$/;

/** os-faults' names of actions → our names. */
const ACTIONS: Readonly<Record<string, string>> = {
  kill: "kill",
  terminate: "restart",
  restart: "restart",
  hang: "hang",
  freeze: "hang",
  stop: "hang",
};

/** The supported forms, for messages. */
export const FORMS: readonly string[] = [
  "kill|restart|freeze PART [leader|standby|follower] [service] [on one node|on all nodes|on NODE] [for N seconds]",
  "crash one node|NODE [for N seconds]",
  "disconnect one node|NODE from|to others|control-plane|NODE [for N seconds]",
];

/**
 * Reads a fault in the words of os-faults' human API (https://os-faults.readthedocs.io, "Human API"): `kill nb service`, `restart daemon service on one
 * node`, `freeze controller leader service for 30 seconds`, `reset one node`. Undefined if they are not a fault. The plugin checks whether a part exists.
 */
export function parseWords(text: string): Worded | undefined {
  const words = text.trim().replaceAll(/\s+/g, " ");
  const time = FOR.exec(words)?.[1];
  const rest = words.replace(FOR, "");
  const seconds = time === undefined ? {} : { seconds: Number(time) };
  const network = NETWORK.exec(rest);
  if (network !== null) {
    const [, from = "", way, to] = network;
    const options = { from: from.startsWith("one ") ? "one" : from, to, one_way: way === "to" };
    return { plugin: "partition", options, ...seconds };
  }
  const node = NODE.exec(rest);
  if (node !== null) return { plugin: "crash", options: { node: node[2] ?? "one" }, ...seconds };
  const service = SERVICE.exec(rest);
  if (service === null) return undefined;
  const [, action = "", part, role, how, where] = service;
  const on = where ?? (how === undefined || how === "all" ? "all" : "one");
  return {
    plugin: ACTIONS[action] ?? action,
    options: { part, on, ...(role === undefined ? {} : { role }) },
    ...seconds,
  };
}
