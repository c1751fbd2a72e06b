// SPDX-License-Identifier: Apache-2.0

import type { RecordAnnotations } from "../facts/accepted.ts";
import type { Malformed } from "../facts/meta.ts";

/** One Vip. */
export interface VipFact extends Malformed {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** RFC 3339; of two objects whose names run together the older has the plain one. */
  readonly created: string;
  /** Its resource version. */
  readonly version: string;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  readonly namespace: string;
  readonly subnet: string;
  /** "" (a virtual port), `switch_lb_vip` or `kube_host_vm_vip`. */
  readonly type: string;
  /** What is asked for, or what was given. */
  readonly v4: string;
  readonly v6: string;
  readonly mac: string;
  /** Whether `status` says that the addresses were given. */
  readonly given: boolean;
  /** The controller has made it as the source of health checks. */
  readonly checkSource: boolean;
  /** Labels of the pods that may be its parents; empty for all of the namespace, absent for none of them: it cannot be read. */
  readonly selector?: readonly (readonly [key: string, value: string])[];
  /** What it sets of `NOT_SUPPORTED`. */
  readonly unsupported: readonly string[];
  /** `spec.selector` as written. */
  readonly written: readonly string[];
  /** What its record of the accepted configuration says; "" where it has none. */
  readonly accepted: string;
  readonly records: RecordAnnotations;
  /** What of it cannot be read. */
  readonly problem?: { readonly reason: string; readonly message: string };
}

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly vips: VipFact;
  }
  interface FactIndexes {
    readonly vips: "subnet" | "namespace" | "answered";
  }
}
