package es2plus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"regexp"
)

var versionPattern = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)

// baseURL is the checked URL of the SM-DP+, without a final slash.
func (c Config) baseURL() (*url.URL, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Scheme != "https" || base.Hostname() == "" || base.User != nil ||
		(base.Path != "" && base.Path != "/") || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("spec.es2plus.url must be https://host or https://host:port, without a path: the ES2+ paths are added")
	}
	base.Path = ""
	return base, nil
}

// version is the checked protocol version.
func (c Config) version() (string, error) {
	if c.ProtocolVersion == "" {
		return DefaultProtocolVersion, nil
	}
	if !versionPattern.MatchString(c.ProtocolVersion) || len(c.ProtocolVersion) > 16 {
		return "", errors.New("spec.es2plus.protocolVersion must be major.minor.revision, such as 2.2.0")
	}
	return c.ProtocolVersion, nil
}

// tls is mutual TLS of version 1.2 or later, with no trust but in CAPEM (SGP.22 section 6.1).
func (c Config) tls(host string) (*tls.Config, error) {
	certificate, err := tls.X509KeyPair(c.CertificatePEM, c.KeyPEM)
	if err != nil {
		return nil, fmt.Errorf("tls.crt and tls.key of the Secret that spec.es2plus.tlsSecretRef names must be a certificate and its key, in PEM: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(c.CAPEM) {
		return nil, errors.New("ca.crt of the Secret that spec.es2plus.tlsSecretRef names must hold the certificates, in PEM, by which the SM-DP+ is checked")
	}
	name := c.ServerName
	if name == "" {
		name = host
	}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		RootCAs:      authorities,
		ServerName:   name,
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
	}, nil
}
