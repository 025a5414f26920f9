package config

import (
	"regexp"
	"strings"
)

// parseBearerToken takes a token on one line. It is never shown.
func parseBearerToken(c *checker, in Input, value string) string {
	token := strings.TrimSpace(value)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		c.addFault(in.Name, "", "it is not one line of ASCII",
			"give the token alone, as the CI system made it")
	}
	return token
}

// parseServer takes an address that client-go can use. A faulty one is not shown: it can hold a
// password.
func parseServer(c *checker, in Input, value string) string {
	value = strings.TrimSpace(value)
	if value != "" && !matches(address, value) {
		c.addFault(in.Name, "", "it is not an https:// address without user, query and fragment",
			"write https://HOST or https://HOST:PORT")
	}
	return lowerScheme(value)
}

// lowerScheme writes HTTPS:// as everybody else does.
func lowerScheme(address string) string {
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		return strings.ToLower(scheme) + "://" + rest
	}
	return address
}

// Patterns, compiled where they are used: few runs have these inputs.
const (
	// address is an https:// address without user, query and fragment.
	address = `^(?i:https)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[^\s?#]*)?$`

	uid = `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`
	// sha256 as openssl ("sha256 Fingerprint=AA:BB…"), kubemint ("sha256:…") and sha256sum print it.
	sha256 = `^(?:sha-?256(?: fingerprint)?[:=])?((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})$`
)

func matches(pattern, text string) bool {
	return regexp.MustCompile(pattern).MatchString(text)
}

// parseExpected tells by its form which of the three the value is.
func parseExpected(c *checker, in Input, value string) Expect {
	value = strings.TrimSpace(value)
	lower := strings.ToLower(value)
	switch found := regexp.MustCompile(sha256).FindStringSubmatch(lower); {
	case value == "":
	case matches(address, value):
		return Expect{Server: lowerScheme(value)}
	case found != nil:
		return Expect{Fingerprint: strings.ReplaceAll(found[1], ":", "")}
	case matches(uid, lower):
		return Expect{UID: lower}
	default:
		c.addFault(in.Name, value, "is not an https:// address, a SHA-256 fingerprint or a UID",
			"`kubectl get namespace kube-system -o jsonpath={.metadata.uid}` prints the UID, "+
				"`openssl x509 -in ca.crt -noout -fingerprint -sha256` the CA's fingerprint")
	}
	return Expect{}
}
