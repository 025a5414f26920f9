package source

// Nameless says whether the credential has neither a token nor a client certificate: a user name and
// password, as a rule. No API server takes those, but a proxy in front of one may.
func (s *Source) Nameless() bool {
	return s.login == nil && s.REST.BearerToken == "" && s.REST.BearerTokenFile == "" && len(s.REST.CertData) == 0
}
