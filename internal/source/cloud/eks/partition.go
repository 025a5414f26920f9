package eks

import (
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

// regionName keeps a region one label of a host name: the SDK puts it into the host that gets
// secrets.
const regionName = plugin.Pattern(`^[a-z]{2,4}(-[a-z]{2,12}){1,2}-[0-9]{1,2}$`)

// partition is one of AWS's separate worlds. Others do not know its regions, host names and
// identities.
type partition struct{ prefix, suffix, dualStack string }

// partitions are those of the SDK (internal/endpoints/awsrulesfn), by the prefix of their regions.
// The last one has all other regions.
var partitions = []partition{
	{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
	{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
	{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"", "amazonaws.com", "api.aws"}, // GovCloud's us-gov- too
}

// findServers returns the suffixes below which there are only EKS's API endpoints, and the region
// of host, "" if it is not an endpoint. Endpoints are ID.HASH.REGION.eks.SUFFIX, or, for IPv6
// clusters since October 2024, ID.HASH.eks-cluster.REGION.DUALSTACK
// (https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html). A partition's suffix
// alone would not do: customers have load balancers and buckets below amazonaws.com.
func (p partition) findServers(host string) (names []string, region string) {
	names = []string{".eks." + p.suffix}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if rest, ok := strings.CutSuffix(host, names[0]); ok {
		region = rest[strings.LastIndexByte(rest, '.')+1:]
	} else if rest, ok := strings.CutSuffix(host, "."+p.dualStack); ok {
		if _, region, _ = strings.Cut(rest, ".eks-cluster."); region != "" {
			names = append(names, ".eks-cluster."+region+"."+p.dualStack)
		}
	}
	if !regionName.Matches(region) {
		return names[:1], ""
	}
	return names, region
}

// partitionOf returns the partition of a region.
func partitionOf(region string) partition {
	at := slices.IndexFunc(
		partitions, func(p partition) bool { return strings.HasPrefix(region, p.prefix) },
	)
	return partitions[at]
}

// regionOf returns the region of an EKS endpoint, "" for any other host.
func regionOf(host string) string {
	for _, p := range partitions {
		if _, region := p.findServers(host); region != "" {
			return region
		}
	}
	return ""
}
