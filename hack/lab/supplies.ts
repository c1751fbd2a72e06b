// SPDX-License-Identifier: Apache-2.0

import { ensurePackages, missingNeeds } from "../host/packages.ts";
import type { Progress } from "../host/progress.ts";
import { ensureBaseLayer, hasBaseLayer } from "../image/base.ts";
import { ensureKubeBinaries, missingKubeBinaries } from "../kube/binaries.ts";
import { ensureTool, missingTools } from "../tools/tools.ts";
import { COREDNS_IMAGE, ensureImages, ensureProgramImage } from "./images.ts";
import { LAB_NEEDS } from "./required-packages.ts";

/**
 * The prerequisites of a lab that the checkout does not contain, each as soon as it is available. The caller that awaits
 * one handles its rejection.
 */
export interface Supplies {
  readonly packages: Promise<void>;
  /** The folder of Kubernetes' binaries. */
  readonly kube: Promise<string>;
  readonly helm: Promise<string>;
  /** Archives of the images that nodes and tests need. */
  readonly images: Promise<readonly string[]>;
  /** The archive of the cluster's DNS. */
  readonly dnsImage: Promise<string>;
}

/**
 * Begins to gather all of it, in the order of its need where it has to be made: Kubernetes has the processors; Debian's packages (and for Weft's
 * image, if `withBaseLayer`, its base) come over the network meanwhile; helm is needed when there is a cluster, CoreDNS after that.
 */
export function gatherSupplies(withBaseLayer: boolean, progress: Progress): Supplies {
  const packages = awaitedLater(ensurePackages(LAB_NEEDS, progress));
  const kube = awaitedLater(ensureKubeBinaries(progress));
  const helm = awaitedLater(ensureTool("helm", progress));
  const coredns = awaitedLater(helm.then(() => ensureTool("coredns", progress)));
  // Only for the deployment to find it; an error happens there again.
  if (withBaseLayer) void awaitedLater(packages.then(() => ensureBaseLayer(progress)));
  return {
    packages,
    kube,
    helm,
    images: awaitedLater(Promise.all([kube, packages]).then(([folder]) => ensureImages(folder, progress))),
    dnsImage: awaitedLater(
      Promise.all([coredns, packages]).then(([path]) => ensureProgramImage(COREDNS_IMAGE, path, progress)),
    ),
  };
}

/** Its consumer may not be waiting yet when it fails. */
function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/**
 * The prerequisites that must be built or downloaded first, as text, with the time of each on two cores; empty if
 * none.
 */
export async function missingSupplies(): Promise<readonly string[]> {
  const [kube, tools] = await Promise.all([missingKubeBinaries(), missingTools()]);
  return [
    ...(missingNeeds(LAB_NEEDS).length > 0 ? ["Debian packages (half a minute)"] : []),
    ...(kube.length > 0 ? ["Kubernetes: downloaded, or built with Go if it cannot be (9 minutes)"] : []),
    ...(tools.length > 0
      ? [`${tools.join(" and ")}: built with Go (${tools.length * 2} minutes, in part beside the rest)`]
      : []),
    ...(hasBaseLayer() ? [] : ["a Debian root file system with Open vSwitch and OVN (2 minutes, beside the rest)"]),
  ];
}
