package eks

import "testing"

func TestIsLocalHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true,
		"fd00:ec2::23": true, "169.254.170.2": true, "169.254.170.23": true,
		"169.254.169.254": false, "localhost.example.com": false, "": false, "10.0.0.1": false,
		"fd00:ec2::254": false,
	} {
		if isLocalHost(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}
