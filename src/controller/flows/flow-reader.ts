// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { NODE } from "../../api/annotations.ts";
import { NODE_AUTHORITIES_FILE } from "../../api/certificates.ts";
import type { FlowPage } from "../../api/flow-page.ts";
import type { SampledFlow } from "../../api/sampling.ts";
import type { FactStore } from "../../facts/store.ts";
import { parseIp } from "../../net/address.ts";
import type { FlowsRead, NodeFlow } from "../../page/flows.ts";
import { certificatesIn } from "../../pki/certificate.ts";
import type { Clock } from "../../time/clock.ts";
import { tlsFilesIn } from "../certificates/certificates.ts";
import { type FlowCredentials, type FlowNode, NodeStream } from "./node-stream.ts";

/** What a {@link FlowReader} needs. */
export interface FlowReaderParts {
  readonly facts: FactStore;
  readonly clock: Clock;
  /** The port of each node's daemon. */
  readonly port: number;
  readonly credentials: () => Promise<FlowCredentials>;
  /** Flows that are kept of all nodes; default: {@link KEPT}. */
  readonly kept?: number;
}

/** Flows that are kept of all nodes; each node has an equal share, and at most as many as its daemon keeps. */
const KEPT = 20_000;
const MOST_OF_NODE = 8_192;
/** Nodes that are asked at a time; of more the first ones by name are. */
const MAX_NODES = 1_000;
/** How long, in ms, a question waits for nodes. */
const DEADLINE_MS = 3_000;
/** How long nodes are read after a question, and flows are kept: as long as another one costs less than to read all again. */
const LINGER_MS = 60_000;
const HOUR_MS = 3_600_000;
/** The most packets that one change adds: a node that is not honest cannot make a sum overflow. */
const MOST_ADDED = 1_000_000_000;

/** A flow that has changed. */
export interface FlowChange extends NodeFlow {
  /** Its packets since it was read before; none of those before reading began. At least one of a flow that was forgotten meanwhile. */
  readonly added: number;
}

interface ReadNode {
  readonly node: FlowNode;
  readonly stream: NodeStream;
  /** The latest last. */
  readonly flows: Map<string, SampledFlow>;
  /** Its daemon has, or this reader has, left out some of the last hour. */
  incomplete: boolean;
  /** By the node's clock, ms: a flow that began later, and is not in `flows`, is new. Undefined until the first page, which is from before reading began. */
  newSince: number | undefined;
}

/** The controller's own key and certificate, and the authorities of nodes, from its folder. Rejects with the error of the file system while there are none. */
export function flowCredentials(folder: string): () => Promise<FlowCredentials> {
  return async () => {
    const [pem, authorities] = await Promise.all(
      [tlsFilesIn(folder).privateKey, join(folder, NODE_AUTHORITIES_FILE)].map((path) => readFile(path, "utf8")),
    );
    return { pem: pem ?? "", authorities: certificatesIn(authorities ?? "") };
  };
}

/** Reads the flows of all nodes while someone holds it, a user who looks at them or the metrics, and nothing otherwise. */
export class FlowReader {
  readonly #parts: FlowReaderParts;
  readonly #nodes = new Map<string, ReadNode>();
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<(changes: readonly FlowChange[]) => void>();
  #holds = 0;
  /** The flows that are kept of each node. */
  #share = MOST_OF_NODE;
  #lingering: (() => void) | undefined;
  #unsubscribe: (() => void) | undefined;
  /** Nodes that are not asked, and why. */
  #unasked: readonly { readonly node: string; readonly problem: string }[] = [];

  constructor(parts: FlowReaderParts) {
    this.#parts = parts;
  }

  /** Calls `listener` with flows that have changed, of some seconds ago at most, while they are read. Returns how to end that. */
  subscribe(listener: (changes: readonly FlowChange[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads until the function returned is called. */
  hold(): () => void {
    this.#holds++;
    if (this.#holds === 1) this.#start();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holds--;
      if (this.#holds === 0) this.#stop();
    };
  }

  /** The flows of the last hour, once every node has answered or failed, or after a deadline. Never rejects. */
  async read(): Promise<FlowsRead> {
    const release = this.hold();
    this.#lingering?.();
    const cancel = this.#parts.clock.after(LINGER_MS, () => this.#lingering?.());
    this.#lingering = () => {
      this.#lingering = undefined;
      cancel();
      release();
    };
    await this.#settled();
    const since = this.#parts.clock.wall() - HOUR_MS;
    const nodes = [...this.#nodes.values()];
    return {
      flows: nodes.flatMap(({ node, flows }) =>
        [...flows.values()].filter(({ last }) => last > since).map((flow) => ({ node: node.name, flow })),
      ),
      unread: [
        ...nodes.flatMap(({ node: { name: node }, stream: { problem } }) =>
          problem === undefined ? [] : [{ node, problem }],
        ),
        ...this.#unasked,
      ],
      incomplete: nodes.some(({ incomplete }) => incomplete),
    };
  }

  /** Ends everything. */
  stop(): void {
    this.#lingering?.();
    this.#stop();
  }

  #start(): void {
    const { facts } = this.#parts;
    this.#unsubscribe = facts.subscribe(({ kind }) => {
      if (kind === "nodes") this.#follow();
    }, "flows of nodes");
    this.#follow();
  }

  #stop(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    for (const { stream } of this.#nodes.values()) stream.stop();
    this.#nodes.clear();
    this.#tell();
  }

  /** Begins with nodes that are new, and ends with those that have gone or changed. */
  #follow(): void {
    const { facts } = this.#parts;
    const wanted = new Map<string, FlowNode>();
    const unasked: { node: string; problem: string }[] = [];
    for (const { name, internal, annotations } of facts.all("nodes")) {
      const [chassis, address] = [annotations[NODE.chassis], internal.v4 ?? internal.v6];
      if (wanted.size >= MAX_NODES) unasked.push({ node: name, problem: `only ${MAX_NODES} nodes are read` });
      else if (chassis === undefined || address === undefined)
        unasked.push({ node: name, problem: "it has no chassis or no InternalIP" });
      else wanted.set(name, { name, address, chassis });
    }
    this.#unasked = unasked;
    for (const [name, { node, stream }] of this.#nodes) {
      const now = wanted.get(name);
      if (now?.address === node.address && now.chassis === node.chassis) continue;
      stream.stop();
      this.#nodes.delete(name);
    }
    this.#share = Math.min(MOST_OF_NODE, Math.floor((this.#parts.kept ?? KEPT) / Math.max(1, wanted.size)));
    for (const [name, node] of wanted) if (!this.#nodes.has(name)) this.#add(node);
    this.#tell();
  }

  #add(node: FlowNode): void {
    const { port, credentials, clock } = this.#parts;
    const flows = new Map<string, SampledFlow>();
    const stream = new NodeStream({
      ...{ node, port, credentials, clock, most: () => this.#share },
      onPage: (page) => this.#note(read, page),
      onState: () => this.#tell(),
    });
    const read: ReadNode = { node, stream, flows, incomplete: false, newSince: undefined };
    this.#nodes.set(node.name, read);
    stream.start();
  }

  #note(read: ReadNode, page: FlowPage): void {
    const now = this.#parts.clock.wall();
    const { node, flows } = read;
    if (page.skipped > 0 || page.dropped > 0) read.incomplete = true;
    const { newSince } = read;
    const changes: FlowChange[] = [];
    for (const given of page.flows) {
      const flow = plausible(given, now);
      if (flow === undefined) continue;
      const key = `${flow.point} ${flow.from} ${flow.to} ${flow.protocol} ${flow.port}`;
      const before = flows.get(key);
      const added = newSince === undefined ? 0 : addedSince(before, flow, given.first > newSince);
      changes.push({ node: node.name, flow, added: Math.min(MOST_ADDED, added) });
      flows.delete(key);
      flows.set(key, flow);
    }
    for (const [oldest, { last }] of flows) {
      if (flows.size <= this.#share) break;
      flows.delete(oldest);
      read.incomplete = true;
      read.newSince = Math.max(read.newSince ?? 0, last);
    }
    if (newSince === undefined) read.newSince = Math.max(read.newSince ?? 0, page.flows.at(-1)?.last ?? 0);
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes);
  }

  /** Resolves when every node has answered or failed, or after {@link DEADLINE_MS}. */
  async #settled(): Promise<void> {
    const done = (): boolean => [...this.#nodes.values()].every(({ stream }) => stream.settled);
    if (done()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (done()) resolve();
    };
    this.#waiting.add(look);
    const cancel = this.#parts.clock.after(DEADLINE_MS, resolve);
    await promise;
    cancel();
    this.#waiting.delete(look);
  }

  #tell(): void {
    for (const look of [...this.#waiting]) look();
  }
}

/** The packets of a flow since it was read `before`. Its daemon counts from 0 again when it restarts, or has dropped the flow. */
function addedSince(before: SampledFlow | undefined, { packets }: SampledFlow, isNew: boolean): number {
  if (before !== undefined) return packets >= before.packets ? packets - before.packets : packets;
  return isNew ? packets : Math.min(1, packets);
}

/** A flow as a node reports it, with canonical addresses and no time in the future: its clock may differ, and the node may not be honest. */
function plausible(flow: SampledFlow, now: number): SampledFlow | undefined {
  const [from, to] = [parseIp(flow.from)?.text, parseIp(flow.to)?.text];
  if (from === undefined || to === undefined || flow.packets < 0) return undefined;
  const last = Math.min(flow.last, now);
  return { ...flow, from, to, last, first: Math.min(flow.first, last) };
}
