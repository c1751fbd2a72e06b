// SPDX-License-Identifier: Apache-2.0

/** Names of the objects and files of certificates; see docs/design/security.md. */

/** The signer that nodes ask for certificates (certificates.k8s.io); Kube-OVN's name. */
export const SIGNER = "kubeovn.io/signer";
/** In the extra fields of a request's user: the node of the pod that the token is bound to (Kubernetes 1.30). */
export const TOKEN_NODE = "authentication.kubernetes.io/node-name";
/** The daemon's service account. */
export const DAEMON_ACCOUNT = "kube-ovn-cni";

/** Label of objects created by the controller; those of an administrator or cert-manager are not deleted by an uninstallation. */
export const MADE_BY_CONTROLLER = { "app.kubernetes.io/managed-by": "weft-controller" } as const;

/** The Secret of the authority that signs ovn-central's and the controller's certificates. */
export const CENTRAL_CA = "weft-central-ca";
/** The Secret of the authority that signs the nodes' certificates. */
export const NODE_CA = "weft-node-ca";
/** The Secret with ovn-central's certificate: {@link CERTIFICATE_FILE}, {@link TRUST_FILE}, {@link NODE_TRUST_FILE}. */
export const CENTRAL_SECRET = "weft-central";
/** The ConfigMap with the authorities that all components trust, under {@link TRUST_FILE}. */
export const TRUST = "weft-trust";

/** The common name of the controller's certificate. */
export const CONTROLLER_NAME = "weft-controller";

/** Key and certificate in one file, because Open vSwitch checks each file for changes separately. */
export const CERTIFICATE_FILE = "tls.pem";
/** The authorities that sign servers' certificates, and clients' of the northbound database. */
export const TRUST_FILE = "ca.pem";
/** In {@link TRUST}: the authority that signs nodes' certificates now. */
export const NODE_ISSUER = "node-issuer.pem";
/** In the controller's own folder: the authorities that sign nodes' certificates. */
export const NODE_AUTHORITIES_FILE = "node-authorities.pem";
/** In {@link TRUST}: the authorities that are trusted, and since when, as JSON; the controller's own. */
export const TRUST_RECORD = "authorities";
/** The authorities that sign clients' certificates of the southbound database: the same, and the nodes'. */
export const NODE_TRUST_FILE = "ca-nodes.pem";
