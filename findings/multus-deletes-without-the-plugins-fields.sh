#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Multus 4.2.1 to 4.3.0 calls DEL of a `.conflist` that `clusterNetwork` names by its path without the plugins' own fields.
#
# Guessed: such a file is read into CNI's common fields (`types.NetConfList`) and written again as JSON, which ADD does not use but DEL does (`DelegateNetConf.Bytes`, also what the
# cache keeps). So `ranges` of host-local, `kubeconfig` of Calico or `server_socket` of ours are gone. Seen: host-local fails with "no IP ranges specified", and the pod stays
# Terminating. A file that is found by its network's name (`confDir`) is kept as it is. See https://github.com/k8snetworkplumbingwg/multus-cni/issues/1449; mended after 4.3.0.
# Needs Go 1.24.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf 'module finding\n\ngo 1.24\n\nrequire gopkg.in/k8snetworkplumbingwg/multus-cni.v4 v4.2.3\n' >go.mod
cat >bridge.conflist <<'JSON'
{"cniVersion":"1.0.0","name":"bridge","plugins":[{"type":"bridge","ipam":{"type":"host-local","ranges":[[{"subnet":"10.0.0.0/24"}]]}}]}
JSON
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/k8sclient"
	"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/types"
)

func main() {
	// As `getNetDelegate` does for a path that ends in ".conflist", and for the text of a file that it has found by the network's name.
	list, err := k8sclient.LoadChainedPluginsFromFile("bridge.conflist")
	if err != nil {
		panic(err)
	}
	byPath, err := types.LoadDelegateNetConfFromConfList(list, nil, "", "")
	if err != nil {
		panic(err)
	}
	text, err := os.ReadFile("bridge.conflist")
	if err != nil {
		panic(err)
	}
	byName, err := types.LoadDelegateNetConf(text, nil, "", "")
	if err != nil {
		panic(err)
	}
	fmt.Printf("by path: %s\nby name: %s\n", byPath.Bytes, byName.Bytes)
}
GO
CGO_ENABLED=0 go build -mod=mod -o finding .
seen=$(./finding)
echo "$seen"
grep -q '^by path: .*"ipam":{"type":"host-local"}' <<<"$seen" && grep -q '^by name: .*"ranges"' <<<"$seen" || { echo "the behaviour has changed" >&2; exit 1; }
