package source

import (
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/internal/source/trust"
)

// prepareCluster refuses a cluster entry that would send the credential to a stranger, and embeds
// its CA.
func (l *loader) prepareCluster(name string, c *api.Cluster) error {
	op := "use cluster " + name
	if err := l.normalizeAddresses(op, name, c); err != nil {
		return err
	}
	given := len(c.CertificateAuthorityData) > 0 || c.CertificateAuthority != ""
	pem, err := l.embedFile(op, "certificate-authority",
		c.CertificateAuthority, c.CertificateAuthorityData, c.LocationOfOrigin)
	if err != nil {
		return err
	}
	c.CertificateAuthority = ""
	c.CertificateAuthorityData = pem
	switch {
	case c.InsecureSkipTLSVerify && !l.AllowInsecure:
		return refuse(op, "it has insecure-skip-tls-verify: whoever answers would get the "+
			"credential").
			Hint("give it certificate-authority-data instead, or accept this for source and " +
				"result: `allow_insecure: true`")
	case c.InsecureSkipTLSVerify && given:
		return refuse(op, "it has both a certificate authority and insecure-skip-tls-verify").
			Hint("take one of the two out of the kubeconfig: kubectl refuses both together as well")
	case c.InsecureSkipTLSVerify:
		l.addWarning("cluster %s: its certificate is not verified (`allow_insecure`)", name)
	case given:
		return l.readAuthority(op, name, c)
	}
	return nil
}

// normalizeAddresses refuses a server or a proxy that no credential may be sent to.
func (l *loader) normalizeAddresses(op, name string, c *api.Cluster) (err error) {
	if c.Server, err = trust.NormalizeServer(op, c.Server); err != nil {
		return err
	}
	if c.ProxyURL == "" {
		return nil
	}
	proxy, err := trust.NormalizeProxy(op, c.ProxyURL)
	if err != nil {
		return err
	}
	c.ProxyURL = proxy.Text
	l.addWarning("cluster %s goes through the proxy %s, as the kubeconfig says", name, proxy.Shown)
	return nil
}

// readAuthority keeps only the usable certificates of the CA, since they are published with the
// result.
func (l *loader) readAuthority(op, name string, c *api.Cluster) error {
	bundle, err := certs.Read(c.CertificateAuthorityData)
	if err != nil {
		return wrapCause(op, "its certificate authority cannot be used: %w", err)
	}
	l.bundle = bundle
	c.CertificateAuthorityData = bundle.PEM
	l.warnings = append(l.warnings, bundle.Warnings("cluster "+name)...)
	return nil
}
