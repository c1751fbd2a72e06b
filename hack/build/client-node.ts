// SPDX-License-Identifier: Apache-2.0

/** What `src/kube` uses of the Kubernetes client for JavaScript: the entry of the package that is made of it, see `build.ts`. */
export { KubeConfig, loadYaml } from "@kubernetes/client-node";
