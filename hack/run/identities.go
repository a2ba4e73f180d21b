//go:build unix

package main

import (
	"crypto/x509/pkix"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/telcodev/esim-operator/hack/run/internal/supervise"
)

const (
	systemNamespace       = "esim-system"
	managerServiceAccount = "esim-operator-controllers"
	facadeServiceAccount  = "esim-facade"
	contextName           = "esim-operator"
	// notificationsCA issues the certificate that the manager shows to operators, which is in
	// notificationsFolder, named as Kubernetes' TLS Secrets. It is nobody's at the API server.
	notificationsCA     = "notifications-ca"
	notificationsFolder = "notifications"
)

// makeIdentities writes every certificate and kubeconfig. etcd has a CA of its own: with a
// common one, every client of the API server could read and write etcd.
func makeIdentities(s settings, now time.Time) error {
	folder := s.file("pki")
	if err := os.MkdirAll(filepath.Join(folder, notificationsFolder), 0o700); err != nil {
		return fmt.Errorf("making the folder of the certificates: %w", err)
	}
	if err := ensureTokenKeys(folder); err != nil {
		return err
	}
	etcd, err := openAuthority(folder, "etcd-ca", now)
	if err != nil {
		return err
	}
	kubernetes, err := openAuthority(folder, "ca", now)
	if err != nil {
		return err
	}
	notifications, err := openAuthority(folder, notificationsCA, now)
	if err != nil {
		return err
	}
	for _, leaf := range []struct {
		folder, file string
		from         *authority
		name         string
		hosts        []string
	}{
		{folder, "etcd", etcd, "etcd", []string{host, "localhost"}},
		{folder, "etcd-client", etcd, "kube-apiserver", nil},
		{folder, "kube-apiserver", kubernetes, "kube-apiserver", []string{host, "localhost"}},
		{filepath.Join(folder, notificationsFolder), "tls", notifications, "esim-operator", []string{host, "localhost"}},
	} {
		pair, err := leaf.from.issue(pkix.Name{CommonName: leaf.name}, now, leaf.hosts...)
		if err != nil {
			return err
		}
		if err := writePair(leaf.folder, leaf.file, pair); err != nil {
			return err
		}
	}
	return writeKubeconfigs(s, kubernetes, now)
}

// writeKubeconfigs writes the user's own, an administrator's, and those of the manager's two
// roles. Each bears the name of its service account, so that it has the rights that config
// gives it, and no others.
func writeKubeconfigs(s settings, ca *authority, now time.Time) error {
	for file, subject := range map[string]pkix.Name{
		"kubeconfig":         {CommonName: "developer", Organization: []string{"system:masters"}},
		"manager.kubeconfig": serviceAccount(managerServiceAccount),
		"facade.kubeconfig":  serviceAccount(facadeServiceAccount),
	} {
		pair, err := ca.issue(subject, now)
		if err != nil {
			return err
		}
		content, err := kubeconfig("https://"+s.address(apiServerPort), ca.PEM, pair)
		if err != nil {
			return err
		}
		if err := supervise.WriteFile(s.file(file), content); err != nil {
			return err
		}
	}
	return nil
}

func serviceAccount(name string) pkix.Name {
	return pkix.Name{
		CommonName:   "system:serviceaccount:" + systemNamespace + ":" + name,
		Organization: []string{"system:serviceaccounts", "system:serviceaccounts:" + systemNamespace},
	}
}

func kubeconfig(server string, ca []byte, user keyPair) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[contextName] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[contextName] = &clientcmdapi.AuthInfo{ClientCertificateData: user.cert, ClientKeyData: user.key}
	config.Contexts[contextName] = &clientcmdapi.Context{Cluster: contextName, AuthInfo: contextName}
	config.CurrentContext = contextName
	content, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return content, nil
}
