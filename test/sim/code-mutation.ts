// SPDX-License-Identifier: Apache-2.0

import type { Controller } from "../../src/controller/controller.ts";
import type { ControllerParts } from "../../src/controller/controller-parts.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import type { ResourceType } from "../../src/kube/resources.ts";
import type { Extra } from "./extra-actions.ts";
import type { MachineParts } from "./node/process-parts.ts";

/**
 * A mutation of the controller or the daemon, to check that the simulation finds bugs of that kind. It is applied from outside:
 * wrapping what a controller is given, by changing its parts, or by replacing a method during a run. The product has no code for it.
 */
export interface CodeMutation {
  readonly name: string;
  /** The bug, and its effect in a real cluster. */
  readonly bug: string;
  /** A seed that found it when this was written: a search from there soon finds it again. */
  readonly shown: number;
  /** Changes the parts of a controller. */
  readonly parts?: (parts: ControllerParts) => ControllerParts;
  /** Changes a controller that has just been created. */
  readonly controller?: (controller: Controller, parts: ControllerParts) => void;
  /** Extras that a run needs for the bug to show. */
  readonly extras?: readonly Extra[];
  /** Changes the daemon's interface to its node. */
  readonly machine?: (parts: MachineParts) => MachineParts;
  /** Changes an object that a daemon has listed or watched. */
  readonly heard?: <T extends KubeObject>(type: ResourceType, object: T) => T;
  /** Changes all controllers and daemons of this thread; the returned function reverts that. */
  readonly install?: () => () => void;
}
