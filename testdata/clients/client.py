"""Prints what kubeconfig says and the API server answers: NAMESPACE CONFIGMAPS CREDENTIAL. With an argument, a file, it waits
until that file changes, and asks again: first with the same client, then with one that has read the kubeconfig again."""
import sys
import time

from kubernetes import client, config

REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


def read(path):
    with open(path) as file:
        return file.read()


def ask(api):
    namespace = config.list_kube_config_contexts()[1]["context"]["namespace"]
    maps = client.CoreV1Api(api).list_namespaced_config_map(namespace)
    review = api.call_api(
        "/apis/authentication.k8s.io/v1/selfsubjectreviews", "POST",
        header_params={"Content-Type": "application/json", "Accept": "application/json"}, body=REVIEW,
        auth_settings=["BearerToken"], response_type="object", _return_http_data_only=True)
    ids = review["status"]["userInfo"]["extra"]["authentication.kubernetes.io/credential-id"]
    print(namespace, ",".join(m.metadata.name for m in maps.items), ",".join(ids), flush=True)


api = config.new_client_from_config()
ask(api)
if len(sys.argv) > 1:
    before = read(sys.argv[1])
    while read(sys.argv[1]) == before:
        time.sleep(0.1)
    ask(api)
    ask(config.new_client_from_config())
