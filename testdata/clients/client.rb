# Prints what kubeconfig says and the API server answers: NAMESPACE CONFIGMAPS CREDENTIAL. With an argument, a file, it waits
# until that file changes, and asks again: first with the same client, then with one that has read the kubeconfig again.
require 'json'
require 'kubeclient'

def load
  context = Kubeclient::Config.read(ENV.fetch('KUBECONFIG')).context
  options = { ssl_options: context.ssl_options, auth_options: context.auth_options }
  { namespace: context.namespace,
    core: Kubeclient::Client.new(context.api_endpoint, 'v1', **options),
    reviews: Kubeclient::Client.new("#{context.api_endpoint}/apis/authentication.k8s.io", 'v1', **options) }
end

def ask(client)
  maps = client[:core].get_config_maps(namespace: client[:namespace])
  review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }.to_json
  headers = { 'Content-Type' => 'application/json' }.merge(client[:reviews].headers)
  said = JSON.parse(client[:reviews].rest_client['selfsubjectreviews'].post(review, headers))
  ids = said.dig('status', 'userInfo', 'extra', 'authentication.kubernetes.io/credential-id')
  puts [client[:namespace], maps.map { |map| map.metadata.name }.join(','), ids.join(',')].join(' ')
end

client = load
ask(client)
if ARGV[0]
  before = File.read(ARGV[0])
  sleep 0.1 while File.read(ARGV[0]) == before
  ask(client)
  ask(load)
end
