// Prints what kubeconfig says and the API server answers: NAMESPACE CONFIGMAPS CREDENTIAL. With an argument, a file, it waits
// until that file changes, and asks again: first with the same client, then with one that has read the kubeconfig again.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import * as k8s from '@kubernetes/client-node'

function load() {
  const config = new k8s.KubeConfig()
  config.loadFromDefault()
  return config
}

async function ask(config) {
  const namespace = config.getContextObject(config.getCurrentContext()).namespace
  const maps = await config.makeApiClient(k8s.CoreV1Api).listNamespacedConfigMap({ namespace })
  const review = await config.makeApiClient(k8s.AuthenticationV1Api).createSelfSubjectReview({
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
  })
  const id = review.status.userInfo.extra['authentication.kubernetes.io/credential-id'].join()
  console.log(namespace, maps.items.map((map) => map.metadata.name).join(), id)
}

const config = load()
await ask(config)
const file = process.argv[2]
if (file) {
  const before = readFileSync(file, 'utf8')
  while (readFileSync(file, 'utf8') === before) await sleep(100)
  await ask(config)
  await ask(load())
}
