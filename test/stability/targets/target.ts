// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../../../src/kube/kube.ts";
import type { Inventory } from "../../e2e/testing/inventory.ts";
import type { UndoStep } from "../run/undo-step.ts";
import type { ClusterPart, PartName } from "./parts.ts";

/**
 * The capabilities of a target that a plugin needs. `signal:etcd` is the right to stop and to kill processes of that
 * part.
 */
export type Capability =
  | "kubernetes"
  | "pod-traffic"
  | "inventory"
  | "node-command"
  | "node-crash"
  | "partition"
  | "clock"
  | `signal:${PartName}`;

/** A pod as traffic needs it. */
export interface PodPlace {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  /** IPv4 first. */
  readonly addresses: readonly string[];
}

/** The result of one attempt to reach something, as the program in the pod measured it. */
export interface Reply {
  readonly ok: boolean;
  /** Milliseconds until the answer, or the timeout. */
  readonly ms: number;
  /** Why there was no answer. */
  readonly detail?: string;
}

/** An attempt to reach something from a pod. Times are milliseconds. */
export type Request =
  | { readonly kind: "udp"; readonly address: string; readonly port: number; readonly timeoutMs: number }
  | { readonly kind: "http"; readonly address: string; readonly port: number; readonly timeoutMs: number }
  | { readonly kind: "dns"; readonly name: string; readonly server: string; readonly timeoutMs: number }
  /** One message on the TCP connection that is open, or on a new one if there is none; its end fails the reply. */
  | { readonly kind: "stream"; readonly address: string; readonly port: number; readonly timeoutMs: number };

/** A program in a pod's network that sends on request. */
export interface RequestProber {
  send(request: Request): Promise<Reply>;
  stop(): Promise<void>;
}

/** A running process of a part, as `undo` steps and messages name it. */
export interface ProcessHandle {
  readonly part: PartName;
  readonly node: string;
  /** The target's id of it, which is never reused for another process. */
  readonly id: string;
}

/** A cluster under test. Every promise rejects with a StabilityError. */
export interface Target {
  /** For messages and reports. */
  readonly name: string;
  readonly nodes: readonly string[];
  readonly kube: Kube;
  /** The image of agnhost (of Kubernetes) that its nodes can run. */
  readonly image: string;
  /** Why it does not support something; undefined if it does. */
  lacks(need: Capability): string | undefined;
  /** Rejects with `target-lost` if the cluster itself is gone, which no injected fault of this target causes. */
  alive(): Promise<void>;
  prober(pod: PodPlace): Promise<RequestProber>;
  /** The running processes of a part, in the order of the nodes. Of parts with roles, only those in it: `controller leader`. */
  processes(part: ClusterPart): Promise<readonly ProcessHandle[]>;
  /** Sends a signal; false if the process is gone. SIGKILL resolves when it is. */
  signal(process: ProcessHandle, signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<boolean>;
  /**
   * Resolves when a part runs on a node in a process other than `former`, and serves; starts it if nothing else
   * would. Also when the signal aborts: callers check it.
   */
  back(former: ProcessHandle, timeoutMs: number, signal?: AbortSignal): Promise<void>;
  /** Runs a command on a node as root; rejects on a non-zero exit code. */
  command(node: string, command: readonly string[]): Promise<string>;
  /** Runs a command in the container of a process: in its file system, network and PID namespace. */
  beside(process: ProcessHandle, command: readonly string[]): Promise<string>;
  /** All processes of a node end at once, as in a power cut. */
  crash(node: string): Promise<void>;
  /** Makes a crashed node run again; resolves when it is Ready. */
  boot(node: string): Promise<void>;
  /** Cuts packets from `from` to `to` (nodes, or `control-plane`), in this direction; resolves when they are cut. */
  cut(from: string, to: string): Promise<void>;
  /** Removes all partitions. */
  heal(): Promise<void>;
  inventory(): Promise<Inventory>;
  /** Resolves when the nodes have applied the present content of the northbound database. */
  converge(timeoutMs: number): Promise<void>;
  /** Undoes a step of the journal that only the target can undo. */
  undo(step: Extract<UndoStep, { readonly by: "target" }>): Promise<void>;
  close(): Promise<void>;
}

/** A target as a task or the command line names it. */
export interface TargetChoice {
  open(): Promise<Target>;
}
