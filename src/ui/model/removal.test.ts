// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { applyCommand } from "./apply-command.ts";
import { removalManifest } from "./removal.ts";

t.test("the deletion of a policy is planned, and applied, by its name", async (t) => {
  const manifest = removalManifest({ kind: "NetworkPolicy", namespace: "shop", name: "web" });
  t.equal(
    applyCommand(manifest, "", true),
    "kubectl delete -f - <<'EOF'\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: web\n  namespace: shop\nEOF",
  );
  t.match(removalManifest({ kind: "SecurityGroup", name: "g" }), /^apiVersion: kubeovn.io\/v1\n(?!.*namespace)/s);
  t.match(applyCommand(manifest, "shop"), /^kubectl apply -n shop -f - /);
});
