// SPDX-License-Identifier: Apache-2.0

import type { CustomObjectFact } from "../facts/meta.ts";
import type { ObjectKind } from "../facts/types.ts";
import type {
  DropObjectEffect,
  MakeObjectEffect,
  ObjectBody,
  OwnerReferenceBody,
  PatchObjectEffect,
} from "./effects.ts";

/** The known state of an object that belongs to another one. */
interface Made {
  readonly namespace?: string;
  readonly name: string;
  readonly uid: string;
}

function key(resource: ObjectKind, { namespace = "", name }: Omit<Made, "uid">): string {
  return `object/${resource}/${namespace}/${name}`;
}

/** The effect that creates an object. */
export function makeObject(resource: ObjectKind, body: ObjectBody<string>): MakeObjectEffect {
  return { kind: "make-object", key: key(resource, body.metadata), resource, body };
}

/** The effect that patches an object. */
export function patchObject(resource: ObjectKind, { uid }: Made, body: ObjectBody): PatchObjectEffect {
  return { kind: "patch-object", key: key(resource, body.metadata), resource, uid, body };
}

/** The effect that deletes an object. */
export function dropObject(resource: ObjectKind, made: Made): DropObjectEffect {
  const { namespace = "", name, uid } = made;
  return { kind: "drop-object", key: key(resource, made), resource, namespace, name, uid };
}

/** The owner reference to an object of kubeovn.io/v1. */
export function ownedBy(kind: string, { name, uid }: CustomObjectFact): readonly OwnerReferenceBody[] {
  return [{ apiVersion: "kubeovn.io/v1", kind, name, uid, controller: true }];
}
