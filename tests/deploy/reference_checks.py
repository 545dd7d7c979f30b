# SPDX-License-Identifier: Apache-2.0
"""Names and selectors that lead somewhere: what kustomize does not follow by itself, and what the API server takes all
the same. These hold in every build, one with a name prefix too.
"""
import urllib.parse

from manifests import ManifestError, go_duration, matches
from policy import GONE, change, policy

L4 = "Deployment/lwq-worker-l4"
FIRST = "spec.template.spec.containers.0"

# Secrets that a person makes; docs/deploy.md says how.
MADE_BY_HAND = {"lwq-tokens", "lwq-worker-token", "lwq-gc-token", "lwq-object-store"}


def secret_names(cluster):
    names = {o["metadata"]["name"] for o in cluster.of("Secret")}
    names |= {o["spec"]["secretName"] for o in cluster.of("Certificate") if "secretName" in o["spec"]}
    return names | MADE_BY_HAND


@policy("every Deployment and StatefulSet selects its own pods and no others",
        change(L4, ["spec", "selector", "matchLabels", "lwq/pool"], GONE),
        change(L4, ["spec", "template", "metadata", "labels", "lwq/pool"], "a100"))
def own_pods(cluster):
    for pod in (p for p in cluster.pods() if "selector" in p.owner["spec"]):
        for other in cluster.pods():
            if matches(pod.owner["spec"]["selector"], other.labels) != (pod is other or pod.name == other.name):
                yield f"the selector of {pod.name} and the labels of {other.name}"


@policy("every Service selects pods that have its ports",
        change("Service/lwq-coordinator", "spec.ports.0.targetPort", "rpc"),
        change("Service/lwq-coordinator", "spec.selector", {"app": "lwq"}),
        change("Service/lwq-store", "spec.ports.0.targetPort", 7481))
def services(cluster):
    for service in cluster.of("Service"):
        name = service["metadata"]["name"]
        chosen = [p for p in cluster.pods() if matches({"matchLabels": service["spec"]["selector"]}, p.labels)]
        if len(chosen) != 1:
            yield f"{name}: selects {[p.name for p in chosen]}"
        for port in service["spec"]["ports"]:
            for pod in chosen:
                if not isinstance(port["targetPort"], str) or pod.port(port["targetPort"]) is None:
                    yield f"{name}: {pod.name} has no port named {port['targetPort']}"


@policy("every Secret, ConfigMap, claim and account that a pod names is there, or is one that a person makes",
        change(L4, FIRST + ".env", lambda env: env + [
            {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "lwq", "key": "X"}}}]),
        change(L4, "spec.template.spec.serviceAccountName", "default"),
        change("Certificate/lwq-worker", "spec.secretName", "worker-tls"),
        change("Certificate/lwq-gc", "spec.secretName", "worker-tls"),
        change("CronJob/lwq-gc", "spec.jobTemplate.spec.template.spec.serviceAccountName", "lwq"),
        change("StatefulSet/lwq-coordinator", "spec.serviceName", "coordinator"),
        change("Deployment/lwq-store", "spec.template.spec.volumes.0.persistentVolumeClaim.claimName", "store"))
def named_by_pods(cluster):
    configs = {o["metadata"]["name"]: o.get("data", {}) for o in cluster.of("ConfigMap")}
    secrets = secret_names(cluster)
    for pod in cluster.pods():
        account = pod.spec.get("serviceAccountName")
        if account is not None and not cluster.find("ServiceAccount", account):
            yield f"{pod.name}: no ServiceAccount {account}"
        if pod.owner["kind"] == "StatefulSet" and not cluster.find("Service", pod.owner["spec"]["serviceName"]):
            yield f"{pod.name}: no Service {pod.owner['spec']['serviceName']}"
        for volume in pod.spec.get("volumes", []):
            secret = volume.get("secret", {}).get("secretName")
            if secret is not None and secret not in secrets:
                yield f"{pod.name}: no Secret {secret}"
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim is not None and not cluster.find("PersistentVolumeClaim", claim):
                yield f"{pod.name}: no claim {claim}"
        for container in pod.all_containers:
            for variable in container.get("env", []):
                source = variable.get("valueFrom", {})
                key = source.get("configMapKeyRef")
                if key and key["key"] not in configs.get(key["name"], {}):
                    yield f"{pod.name}: {variable['name']} is key {key['key']} of ConfigMap {key['name']}, which is not there"
                key = source.get("secretKeyRef")
                if key and key["name"] not in secrets:
                    yield f"{pod.name}: {variable['name']} is of Secret {key['name']}, which is not there"
            volumes = {v["name"] for v in pod.spec.get("volumes", [])}
            volumes |= {c["metadata"]["name"] for c in pod.owner["spec"].get("volumeClaimTemplates", [])}
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{pod.name}: no volume {mount['name']}"


@policy("every file that a flag names lies in a mounted volume",
        change(L4, FIRST + ".args", lambda args: args + ["--tls-ca=/etc/tls/ca.crt"]),
        change("CronJob/lwq-gc", "spec.jobTemplate." + FIRST + ".volumeMounts", []))
def mounted(cluster):
    for pod in cluster.pods_of("coordinator") + cluster.pods_of("worker") + cluster.pods_of("gc"):
        container = pod.containers[0]
        paths = [m["mountPath"] for m in container.get("volumeMounts", [])]
        for argument in container["args"]:
            value = argument.partition("=")[2].removeprefix("sqlite:")
            if value.startswith("/") and not any(value == p or value.startswith(p + "/") for p in paths):
                yield f"{pod.name}: {argument} is in none of {paths}"


# What the server keeps outside all namespaces.
CLUSTER_WIDE = ("Namespace", "ResourceFlavor", "ClusterQueue")


@policy("every object is in the overlay's namespace, but those of the whole cluster in none",
        change("Service/lwq-coordinator", "metadata.namespace", "default"),
        change("ClusterQueue/lwq", "metadata.namespace", "lwq"))
def one_namespace(cluster):
    home = cluster.of("Namespace")[0]["metadata"]["name"]
    for o in cluster.objects:
        namespace = o["metadata"].get("namespace")
        if namespace != (None if o["kind"] in CLUSTER_WIDE else home):
            yield f"{o['kind']} {o['metadata']['name']}: in {namespace}"


@policy("the coordinator's address is its Service's",
        change("Service/lwq-coordinator", "metadata.name", "coordinator"),
        overlays=("dev", "gke-l4-a100", "gke-l4-a100-kueue", "eks-a100"))
def address(cluster):
    for config in cluster.of("ConfigMap"):
        host, _, port = config["data"].get("LWQ_COORDINATOR", "").partition(":")
        if not host:
            continue
        service = cluster.find("Service", host)
        if service is None or int(port) not in [p["port"] for p in service["spec"]["ports"]]:
            yield f"LWQ_COORDINATOR is {host}:{port}, which is no port of a Service here"


@policy("the object store is S3 without credentials in its URI, over HTTPS or at a Service of the namespace",
        change("ConfigMap/lwq-*", "data.LWQ_OBJECTS", "s3://lwq?endpoint=http://lwq-store:7481"),
        change("ConfigMap/lwq-*", "data.LWQ_OBJECTS", "s3://lwq?endpoint=http://s3.example.com"),
        change("ConfigMap/lwq-*", "data.LWQ_OBJECTS", "file:///objects"),
        change("ConfigMap/lwq-*", "data.LWQ_OBJECTS", "s3://set-in-the-overlay"),
        change("ConfigMap/lwq-*", "data.LWQ_OBJECTS", "s3://key:secret@lwq?endpoint=http://lwq-store:7480"),
        overlays=("dev", "gke-l4-a100", "gke-l4-a100-kueue", "eks-a100"))
def object_store(cluster):
    for config in cluster.of("ConfigMap"):
        uri = config["data"].get("LWQ_OBJECTS")
        if uri is None:
            continue
        parts = urllib.parse.urlsplit(uri)
        endpoint = urllib.parse.urlsplit(urllib.parse.parse_qs(parts.query).get("endpoint", ["https://s3.amazonaws.com"])[0])
        if parts.scheme != "s3" or "@" in parts.netloc or parts.netloc == "set-in-the-overlay":
            yield f"LWQ_OBJECTS is {uri}"
        if endpoint.scheme == "http":
            service = cluster.find("Service", endpoint.hostname)
            if service is None or endpoint.port not in [p["port"] for p in service["spec"]["ports"]]:
                yield f"LWQ_OBJECTS is in plaintext at {endpoint.netloc}, which is no port of a Service here"


@policy("a Certificate lasts longer than what remains when it is renewed, in durations that Go can read",
        change("Certificate/lwq-worker", "spec.duration", "10m"),
        change("Certificate/lwq-worker", "spec.duration", "90d"),
        change("Certificate/lwq-coordinator", "spec.renewBefore", "2400h"),
        change("Certificate/lwq-coordinator", "spec.renewBefore", GONE))
def certificate_times(cluster):
    for certificate in cluster.of("Certificate"):
        name, spec = certificate["metadata"]["name"], certificate["spec"]
        try:
            duration, before = go_duration(spec["duration"]), go_duration(spec["renewBefore"])
        except (KeyError, ManifestError) as error:
            yield f"{name}: {error}"
            continue
        if duration < 3600 or before >= duration:
            yield f"{name}: duration {spec['duration']}, renewBefore {spec['renewBefore']}"


@policy("a Certificate has names, and an issuer that is there and whose own Certificate is there",
        change("Certificate/lwq-worker", "spec.dnsNames", GONE),
        change("Certificate/lwq-worker", "spec.issuerRef.name", "lwq"),
        change("Issuer/lwq-ca", "spec.ca.secretName", "ca"))
def issuers(cluster):
    secrets = {c["spec"]["secretName"] for c in cluster.of("Certificate") if c["spec"].get("isCA")}
    for certificate in cluster.of("Certificate"):
        name, spec = certificate["metadata"]["name"], certificate["spec"]
        if not spec.get("isCA") and not spec.get("dnsNames"):
            yield f"{name}: no dnsNames; every client would refuse it"
        if not cluster.find("Issuer", spec["issuerRef"]["name"]):
            yield f"{name}: no Issuer {spec['issuerRef']['name']}"
    for issuer in cluster.of("Issuer"):
        secret = issuer["spec"].get("ca", {}).get("secretName")
        if secret is not None and secret not in secrets:
            yield f"Issuer {issuer['metadata']['name']}: no CA keeps its key in {secret}"


@policy("the coordinator's Certificate names the Service by every name that clients and KEDA use",
        change("Certificate/lwq-coordinator", "spec.dnsNames", ["lwq-coordinator"]),
        change("Certificate/lwq-coordinator", "spec.usages", ["client auth"]),
        overlays=("gke-l4-a100", "gke-l4-a100-kueue", "eks-a100"))
def server_names(cluster):
    home = cluster.of("Namespace")[0]["metadata"]["name"]
    certificate = cluster.find("Certificate", "lwq-coordinator")["spec"]
    for name in ("lwq-coordinator", f"lwq-coordinator.{home}.svc", "localhost"):
        if name not in certificate["dnsNames"]:
            yield f"{name} is none of its dnsNames"
    if "server auth" not in certificate["usages"]:
        yield "not for server auth"
