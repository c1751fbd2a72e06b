// SPDX-License-Identifier: Apache-2.0

import { Ipam } from "../../src/ipam/ipam.ts";
import { OVN_EIPS } from "../../src/kube/resources.ts";
import type { CodeMutation } from "./code-mutation.ts";
import { replaced } from "./replaced.ts";

/** Mutations of what gives addresses of external networks and translates them. */
export const NAT_MUTATIONS: readonly CodeMutation[] = [
  {
    name: "eip-in-two-vpcs",
    bug: "an OvnEip is used in each VPC in which a rule names it: two routers answer for one address",
    shown: 2,
    extras: ["nat"],
    controller: ({ facts }) => {
      const get = facts.get.bind(facts);
      facts.get = (kind, key) => (kind === "eipVpcs" ? undefined : get(kind, key));
    },
  },
  {
    name: "eips-forgotten",
    bug: "a new leader does not reserve the addresses of OvnEips: they are given to other objects",
    shown: 1,
    extras: ["nat"],
    install: () =>
      replaced(Ipam.prototype, "reserve", (reserve) => {
        return function (this: Ipam, record) {
          return record.owner.startsWith("ovnEip/") ? { lease: undefined, conflicts: [] } : reserve.call(this, record);
        };
      }),
  },
  {
    name: "translations-kept",
    bug: "the rows of a rule stay when it is deleted",
    shown: 1,
    extras: ["nat"],
    parts: (parts) => {
      const commit = parts.northbound.commit.bind(parts.northbound);
      parts.northbound.commit = (plan) =>
        commit({
          ...plan,
          mutations: plan.mutations.map((one) => (one.column === "nat" ? { ...one, delete: [] } : one)),
        });
      return parts;
    },
  },
  {
    name: "eip-never-released",
    bug: "an OvnEip that is deleted keeps its finalizer",
    shown: 3,
    extras: ["nat"],
    parts: (parts) => {
      const { kube } = parts;
      const patch = kube.patch.bind(kube);
      kube.patch = async (type, ref, change, options) => {
        const isRelease =
          type === OVN_EIPS && /"op":"remove","path":"\/metadata\/finalizers/.test(JSON.stringify(change.body));
        return isRelease ? await kube.get(type, ref) : await patch(type, ref, change, options);
      };
      return parts;
    },
  },
];
