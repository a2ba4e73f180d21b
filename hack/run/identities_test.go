//go:build unix

package main

import (
	"bytes"
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
)

var someDay = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func usualSettings(t *testing.T) settings {
	t.Helper()
	ports, err := readPorts(variables())
	if err != nil {
		t.Fatal(err)
	}
	return settings{Root: "/repository", Dir: t.TempDir(), Ports: ports}
}

func readCertificate(t *testing.T, s settings, name string) *x509.Certificate {
	t.Helper()
	pair, err := readPair(s.file("pki"), name)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := parseCertificate(pair.cert)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// trusted tells whether a CA vouches for a certificate in a role.
func trusted(ca, cert *x509.Certificate, usage x509.ExtKeyUsage, name string, at time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

func TestServersAreTrustedByTheirOwnCAAlone(t *testing.T) {
	s := usualSettings(t)
	if err := makeIdentities(s, someDay); err != nil {
		t.Fatal(err)
	}
	etcdCA, kubernetesCA := readCertificate(t, s, "etcd-ca"), readCertificate(t, s, "ca")
	receiverCA := readCertificate(t, s, "notifications-ca")
	for _, test := range []struct {
		cert, host string
		ca, other  *x509.Certificate
		usage      x509.ExtKeyUsage
	}{
		{"etcd", host, etcdCA, kubernetesCA, x509.ExtKeyUsageServerAuth},
		{"etcd", "", etcdCA, kubernetesCA, x509.ExtKeyUsageClientAuth},
		{"etcd-client", "", etcdCA, kubernetesCA, x509.ExtKeyUsageClientAuth},
		{"kube-apiserver", "localhost", kubernetesCA, etcdCA, x509.ExtKeyUsageServerAuth},
		{"notifications/tls", host, receiverCA, kubernetesCA, x509.ExtKeyUsageServerAuth},
	} {
		cert := readCertificate(t, s, test.cert)
		if err := trusted(test.ca, cert, test.usage, test.host, someDay); err != nil {
			t.Errorf("%s is not trusted by its CA: %v", test.cert, err)
		}
		if err := trusted(test.other, cert, test.usage, test.host, someDay); err == nil {
			t.Errorf("%s is trusted by the other CA", test.cert)
		}
	}
}

func TestTheManagerIsItsServiceAccountAndNoAdministrator(t *testing.T) {
	s := usualSettings(t)
	if err := makeIdentities(s, someDay); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", s.file("manager.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://127.0.0.1:16443"; config.Host != want {
		t.Errorf("the manager speaks to %s, want %s", config.Host, want)
	}
	cert, err := parseCertificate(config.CertData)
	if err != nil {
		t.Fatal(err)
	}
	if want := "system:serviceaccount:esim-system:esim-operator-controllers"; cert.Subject.CommonName != want {
		t.Errorf("the manager is %s, want %s", cert.Subject.CommonName, want)
	}
	groups := []string{"system:serviceaccounts", "system:serviceaccounts:esim-system"}
	if diff := cmp.Diff(groups, cert.Subject.Organization); diff != "" {
		t.Errorf("the manager's groups: -want +got:\n%s", diff)
	}
}

func TestARestartKeepsTheCAsAndTheTokenKeyAndRenewsTheRest(t *testing.T) {
	s := usualSettings(t)
	if err := makeIdentities(s, someDay); err != nil {
		t.Fatal(err)
	}
	before := readAll(t, s.file("pki"))
	later := someDay.Add(2 * 365 * 24 * time.Hour)
	if err := makeIdentities(s, later); err != nil {
		t.Fatal(err)
	}
	after := readAll(t, s.file("pki"))
	for file, kept := range map[string]bool{
		"ca.crt": true, "ca.key": true, "notifications-ca.crt": true, "etcd-ca.crt": true, "etcd-ca.key": true, "sa.key": true, "sa.pub": true,
		"etcd.crt": false, "etcd-client.crt": false, "kube-apiserver.crt": false, "kube-apiserver.key": false,
		"notifications/tls.crt": false,
	} {
		if same := bytes.Equal(before[file], after[file]); same != kept {
			t.Errorf("%s: the same after a restart: %t, want %t", file, same, kept)
		}
	}
	if err := trusted(readCertificate(t, s, "ca"), readCertificate(t, s, "kube-apiserver"), x509.ExtKeyUsageServerAuth, host, later); err != nil {
		t.Errorf("two years on, the certificate is of no use: %v", err)
	}
}

func TestKeysAreTheirOwnersAlone(t *testing.T) {
	s := usualSettings(t)
	if err := makeIdentities(s, someDay); err != nil {
		t.Fatal(err)
	}
	err := filepath.Walk(s.Dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && path != s.Dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestABrokenCAIsNamedWithItsRemedy(t *testing.T) {
	s := usualSettings(t)
	if err := makeIdentities(s, someDay); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.file("pki", "ca.crt"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Replacing it in silence would make every kubeconfig out there useless.
	if err := makeIdentities(s, someDay); err == nil || !strings.Contains(err.Error(), "make clean-run") {
		t.Errorf("got %v, want an error that names the remedy", err)
	}
}

// readAll are the files below a folder.
func readAll(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	contents := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		contents[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return contents
}
