// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { projectPod } from "./project-core.ts";

t.test("a pod's fact has our annotations and those with a typing error", async (t) => {
  const annotations = {
    "ovn.kubernetes.io/ip_address": "10.16.0.5",
    "net1.default.ovn.kubernetes.io/ip_address": "10.17.0.5",
    "ovn.kubernetes.io/ip_adress": "10.16.0.6",
    "ovn.kubernets.io/ip_address": "10.16.0.7",
    "onv.kubernetes.io/mac_address": "02:00:00:00:00:01",
    "kubernetes.io/config.seen": "2026-01-01",
    "example.com/note": "x",
  };
  const fact = projectPod({ metadata: { name: "a", namespace: "default", uid: "u", annotations } });
  t.strictSame(Object.keys(fact?.annotations ?? {}).sort(), [
    "net1.default.ovn.kubernetes.io/ip_address",
    "onv.kubernetes.io/mac_address",
    "ovn.kubernetes.io/ip_address",
    "ovn.kubernetes.io/ip_adress",
    "ovn.kubernets.io/ip_address",
  ]);
});

t.test("pods of a virtual machine have its address, or each its own if virtual machines keep none", async (t) => {
  const vmi = { apiVersion: "kubevirt.io/v1", kind: "VirtualMachineInstance", name: "vm", uid: "v", controller: true };
  const pod = { metadata: { name: "launcher", namespace: "default", uid: "u", ownerReferences: [vmi] } };
  t.equal(projectPod(pod)?.holder, "default/vm");
  t.equal(projectPod(pod, false)?.holder, "default/launcher");
});
